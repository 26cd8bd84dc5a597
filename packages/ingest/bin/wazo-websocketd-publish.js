#!/usr/bin/env node
import '../dist/publish-events.js'
