#!/usr/bin/env node
await import('../dist/ctl.js')
