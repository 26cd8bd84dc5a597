#!/usr/bin/env node
import '../dist/tail.js'
