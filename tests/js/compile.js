// Compiles a few lines of Solidity over packages from npm.
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import solc from 'solc'

const modules = new URL('./node_modules/', import.meta.url)

const resolve = (path) => {
  const file = fileURLToPath(new URL(path, modules))
  return existsSync(file) ? { contents: readFileSync(file, 'utf8') } : { error: `${path} was not found` }
}

// `{ [contract]: { abi, bytecode } }` of the contracts in `source`.
export function compile(source) {
  const input = {
    language: 'Solidity',
    sources: { 'Test.sol': { content: source } },
    settings: { evmVersion: 'osaka', optimizer: { enabled: true }, outputSelection: { 'Test.sol': { '*': ['abi', 'evm.bytecode.object'] } } },
  }
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: resolve }))
  const errors = (output.errors ?? []).filter(({ severity }) => severity === 'error')
  if (errors.length > 0) throw new Error(errors.map(({ formattedMessage }) => formattedMessage).join('\n'))
  return Object.fromEntries(
    Object.entries(output.contracts['Test.sol']).map(([name, { abi, evm }]) => [name, { abi, bytecode: `0x${evm.bytecode.object}` }]),
  )
}
