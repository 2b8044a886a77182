// forge script and cast, where npm has them for this machine.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { account, net } from '../chain.js'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const bin = here('../node_modules/.bin/')
if (!existsSync(join(bin, 'forge'))) {
  console.log(JSON.stringify({ leftOut: 'npm has no forge for this machine' }))
  process.exit(0)
}

const output = mkdtempSync(join(tmpdir(), 'lockstep-foundry-'))
process.on('exit', () => rmSync(output, { recursive: true }))
const env = {
  ...process.env,
  FOUNDRY_OUT: join(output, 'out'),
  FOUNDRY_CACHE_PATH: join(output, 'cache'),
  FOUNDRY_BROADCAST: join(output, 'broadcast'),
}
const run = async (program, ...args) =>
  (await promisify(execFile)(join(bin, program), args, { env, cwd: here('foundry') })).stdout.trim()
const cast = (command, ...args) => run('cast', command, '--rpc-url', net.l2Rpc, ...args)
const key = ['--private-key', net.keys[4]]

await run('forge', 'script', 'script/Deploy.s.sol:Deploy', '--rpc-url', net.l2Rpc, ...key, '--broadcast')
const report = JSON.parse(readFileSync(join(output, `broadcast/Deploy.s.sol/${net.l2ChainId}/run-latest.json`)))
assert.deepEqual(report.receipts.map(({ status }) => status), ['0x1', '0x1', '0x1'])
const [{ contractAddress: counter }] = report.transactions

assert.equal(await cast('call', counter, 'number()(uint256)'), '11')
const { status, transactionHash } = JSON.parse(await cast('send', ...key, '--json', counter, 'count(uint256)', '7'))
assert.equal(status, '0x1')
assert.equal(JSON.parse(await cast('receipt', '--json', transactionHash)).logs.length, 1)
assert.equal(JSON.parse(await cast('logs', '--json', '--address', counter, '--from-block', '0')).length, 3)
await assert.rejects(cast('call', counter, 'count(uint256)', '11'), /too many/)
await assert.rejects(cast('estimate', counter, 'count(uint256)', '11'), /too many/)
await assert.rejects(cast('send', ...key, '--nonce', '0', '--gas-limit', '21000', account(4).address), /nonce too low/)
assert.equal(await cast('nonce', account(4).address), '4')
assert.equal(await cast('chain-id'), String(net.l2ChainId))
assert.equal(await cast('storage', counter, '0'), `0x${'12'.padStart(64, '0')}`)
assert.equal(JSON.parse(await cast('proof', counter, '0')).storageProof[0].value, '0x12')
assert.ok(BigInt(await cast('gas-price')) > 0n)
assert.equal(JSON.parse(await cast('rpc', 'lockstep_transactionStatus', transactionHash)).block.hash.length, 66)
console.log(JSON.stringify({ ok: true }))
