// Uniswap v2 as published on npm: factory, router, a pair, liquidity, swaps.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { erc20Abi, parseEther } from 'viem'
import { account, l2, l2Wallet, mined } from './chain.js'
import { compile } from './compile.js'

const artifact = (name) => {
  const { abi, bytecode, evm } = JSON.parse(readFileSync(new URL(`./node_modules/@uniswap/${name}.json`, import.meta.url)))
  const code = bytecode ?? evm.bytecode.object
  return { abi, bytecode: code.startsWith('0x') ? code : `0x${code}` }
}

const user = account(0).address
const wallet = l2Wallet(0)
const { Token } = compile(`// SPDX-License-Identifier: MIT
  pragma solidity ^0.8.20;
  import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
  contract Token is ERC20 { constructor(string memory n) ERC20(n, n) { _mint(msg.sender, 1e24); } }`)

async function deploy({ abi, bytecode }, args = []) {
  const { contractAddress } = await mined(l2, await wallet.deployContract({ abi, bytecode, args }))
  const address = contractAddress
  return {
    address,
    read: (functionName, ...args) => l2.readContract({ abi, address, functionName, args }),
    // A pair writes its price sums only when the block is later than its last one, so an estimate at the head
    // can be too low for the next block: the gas is given.
    write: async (functionName, args, value) =>
      mined(l2, await wallet.writeContract({ abi, address, functionName, args, value, gas: 5_000_000n })),
  }
}

const weth = await deploy(artifact('v2-periphery/build/WETH9'))
const factory = await deploy(artifact('v2-core/build/UniswapV2Factory'), [user])
const router = await deploy(artifact('v2-periphery/build/UniswapV2Router02'), [factory.address, weth.address])
const [a, b] = [await deploy(Token, ['A']), await deploy(Token, ['B'])]
for (const token of [a, b]) await token.write('approve', [router.address, 2n ** 255n])

const deadline = BigInt(Math.floor(Date.now() / 1000) + 3600)
const amount = parseEther('1000')
await router.write('addLiquidity', [a.address, b.address, amount, amount, 0n, 0n, user, deadline])
await router.write('addLiquidityETH', [a.address, amount, 0n, 0n, user, deadline], parseEther('10'))

const pair = await factory.read('getPair', a.address, b.address)
assert.equal(await l2.readContract({ abi: erc20Abi, address: pair, functionName: 'totalSupply' }), amount)

const path = [a.address, b.address]
const [, expected] = await router.read('getAmountsOut', parseEther('1'), path)
const before = await b.read('balanceOf', user)
const swap = await router.write('swapExactTokensForTokens', [parseEther('1'), expected, path, user, deadline])
assert.equal(await b.read('balanceOf', user), before + expected)
assert.equal(swap.logs.filter(({ address }) => address.toLowerCase() === pair.toLowerCase()).length, 2, 'Sync and Swap')

await router.write('swapExactETHForTokens', [0n, [weth.address, a.address, b.address], user, deadline], parseEther('1'))
await router.write('swapExactTokensForETH', [parseEther('1'), 0n, [a.address, weth.address], user, deadline])
console.log(JSON.stringify({ ok: true, swapGas: Number(swap.gasUsed) }))
