#!/usr/bin/env node
import '@wazo-websocketd/shared/runtime/early-signals'
await import('../dist/wait-online.js')
