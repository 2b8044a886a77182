// Contracts that every OP Stack chain has from genesis, at their published addresses: Multicall3, Permit2,
// the CREATE2 deployers.
import assert from 'node:assert/strict'
import { concat, erc20Abi, getContractAddress, maxUint256, padHex, parseAbi, parseEther } from 'viem'
import { account, l2, l2Chain, l2Wallet, mined } from './chain.js'
import { compile } from './compile.js'

const PERMIT2 = '0x000000000022D473030F116dDEE9F6B43aC78BA3'
const CREATE2_DEPLOYER = '0x4e59b44847b379578588920cA78FbF26c0B4956C'

const [owner, spender] = [account(3), account(4)]
const [wallet, spenderWallet] = [l2Wallet(3), l2Wallet(4)]
const { Token } = compile(`// SPDX-License-Identifier: MIT
  pragma solidity ^0.8.20;
  import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
  contract Token is ERC20("T", "T") { constructor() { _mint(tx.origin, 1e24); } }`)

async function create2() {
  const salt = padHex('0x2a', { size: 32 })
  await mined(l2, await wallet.sendTransaction({ to: CREATE2_DEPLOYER, data: concat([salt, Token.bytecode]) }))
  const address = getContractAddress({ opcode: 'CREATE2', from: CREATE2_DEPLOYER, salt, bytecode: Token.bytecode })
  assert.ok(await l2.getCode({ address }))
  return address
}

async function multicall3(token) {
  const of = (who) => ({ abi: erc20Abi, address: token, functionName: 'balanceOf', args: [who.address] })
  const balances = await l2.multicall({ contracts: [of(owner), of(spender)], allowFailure: false })
  assert.deepEqual(balances, [10n ** 24n, 0n])
}

// A signature lets the spender take tokens once.
async function permit2(token) {
  await mined(l2, await wallet.writeContract({ abi: erc20Abi, address: token, functionName: 'approve', args: [PERMIT2, maxUint256] }))
  const amount = parseEther('3')
  const permit = { permitted: { token, amount }, nonce: 0n, deadline: 2n ** 40n }
  const signature = await owner.signTypedData({
    domain: { name: 'Permit2', chainId: l2Chain.id, verifyingContract: PERMIT2 },
    types: {
      PermitTransferFrom: [
        { name: 'permitted', type: 'TokenPermissions' },
        { name: 'spender', type: 'address' },
        { name: 'nonce', type: 'uint256' },
        { name: 'deadline', type: 'uint256' },
      ],
      TokenPermissions: [
        { name: 'token', type: 'address' },
        { name: 'amount', type: 'uint256' },
      ],
    },
    primaryType: 'PermitTransferFrom',
    message: { ...permit, spender: spender.address },
  })
  const take = {
    abi: parseAbi([
      'struct TokenPermissions { address token; uint256 amount; }',
      'struct PermitTransferFrom { TokenPermissions permitted; uint256 nonce; uint256 deadline; }',
      'struct SignatureTransferDetails { address to; uint256 requestedAmount; }',
      'function permitTransferFrom(PermitTransferFrom permit, SignatureTransferDetails details, address owner, bytes signature)',
      'error InvalidNonce()',
    ]),
    address: PERMIT2,
    functionName: 'permitTransferFrom',
    args: [permit, { to: spender.address, requestedAmount: amount }, owner.address, signature],
  }
  await mined(l2, await spenderWallet.writeContract(take))
  assert.equal(await l2.readContract({ abi: erc20Abi, address: token, functionName: 'balanceOf', args: [spender.address] }), amount)
  await assert.rejects(l2.simulateContract({ ...take, account: spender }), /InvalidNonce/)
}

const token = await create2()
await multicall3(token)
await permit2(token)
console.log(JSON.stringify({ ok: true }))
