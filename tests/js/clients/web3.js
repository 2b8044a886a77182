// web3.js: contracts, errors, logs, subscriptions, nonces, fees, batches.
import assert from 'node:assert/strict'
import { Web3, WebSocketProvider } from 'web3'
import { net } from '../chain.js'
import { Counter, QUICK } from './contract.js'

const web3 = new Web3(net.l2Rpc)
web3.eth.transactionPollingInterval = 200
const user = web3.eth.accounts.wallet.add(net.keys[3])[0].address
const from = { from: user }
const factory = new web3.eth.Contract(Counter.abi)
const deploying = factory.deploy({ data: Counter.bytecode, arguments: [5] })
const counter = await deploying.send({ ...from, gas: String(await deploying.estimateGas(from)) })
const read = () => counter.methods.number().call()
assert.equal(await read(), 5n)

const socket = new WebSocketProvider(net.l2Ws)
const listener = new Web3(socket)
const subscription = await new listener.eth.Contract(Counter.abi, counter.options.address).events.Counted({ filter: { who: user } })
const ready = new Promise((resolve) => subscription.once('connected', resolve))
const heard = new Promise((resolve, reject) => (subscription.once('data', resolve), subscription.once('error', reject)))
const headers = await listener.eth.subscribe('newBlockHeaders')
assert.ok((await new Promise((resolve) => headers.once('data', resolve))).number > 0)
void ready
const receipt = await counter.methods.count(2).send(from)
const event = await heard
assert.deepEqual([event.returnValues.number, event.transactionHash], [7n, receipt.transactionHash])
assert.equal(receipt.events.Counted.returnValues.who, user)
const found = await counter.getPastEvents('Counted', { fromBlock: receipt.blockNumber, toBlock: 'latest', filter: { who: user } })
assert.deepEqual(found.map(({ returnValues }) => returnValues.number), [7n])

const saysNotToday = ({ cause }) => /not today/.test(cause?.message)
await assert.rejects(counter.methods.count(11).call(from), (error) => error.cause?.errorName === 'TooMany' && error.cause.errorArgs.wanted === 11n)
await assert.rejects(counter.methods.refuse().call(from), saysNotToday)
await assert.rejects(counter.methods.refuse().estimateGas(from), saysNotToday)

const nonce = await web3.eth.getTransactionCount(user, 'pending')
const gas = String(2n * (await counter.methods.count(1).estimateGas(from)))
const sent = Array.from({ length: QUICK }, (_, i) => counter.methods.count(1).send({ ...from, gas, nonce: String(nonce + BigInt(i)) }))
await Promise.all(sent)
assert.equal(await read(), 7n + BigInt(QUICK))
const plain = { ...from, to: user, gas: '21000' }
await assert.rejects(web3.eth.sendTransaction({ ...plain, nonce: String(nonce) }), /nonce too low/)
await assert.rejects(web3.eth.sendTransaction({ ...plain, value: String(10n ** 30n) }), ({ reason }) => /insufficient funds/.test(reason))

const { baseFeePerGas, maxFeePerGas } = await web3.eth.calculateFeeData()
assert.ok(maxFeePerGas >= baseFeePerGas)
const proof = await web3.eth.getProof(counter.options.address, [`0x${'0'.repeat(64)}`], 'latest')
assert.equal(proof.storageProof[0].value, 7n + BigInt(QUICK))
const batch = new web3.BatchRequest()
const asked = [batch.add({ method: 'eth_chainId', params: [] }), batch.add({ method: 'eth_blockNumber', params: [] })]
await batch.execute()
assert.equal(Number((await Promise.all(asked))[0]), net.l2ChainId)
socket.disconnect()
console.log(JSON.stringify({ ok: true }))
process.exit(0)
