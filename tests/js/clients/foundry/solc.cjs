#!/usr/bin/env node
// The npm package `solc` behind the command line that forge expects.
'use strict'
const fs = require('node:fs')
const solc = require('solc')

const args = process.argv.slice(2)
if (args.includes('--version')) {
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`)
} else {
  const file = args.find((arg) => fs.existsSync(arg) && fs.statSync(arg).isFile())
  process.stdout.write(solc.compile(fs.readFileSync(file ?? 0, 'utf8')))
}
