//! Creation codes, as `crates/testkit/contracts/build` wrote them.

macro_rules! creation_codes {
    ($($constant:ident = $name:literal;)+) => {
        $(pub(super) const $constant: &[u8] = include_bytes!(concat!("../../contracts/artifacts/", $name, ".bin"));)+
    };
}

creation_codes! {
    ERC20 = "ERC20PresetFixedSupply";
    WETH9 = "WETH9";
    UNISWAP_V2_FACTORY = "UniswapV2Factory";
    UNISWAP_V2_ROUTER = "UniswapV2Router02";
    UNISWAP_V3_FACTORY = "UniswapV3Factory";
    UNISWAP_V3_ROUTER = "SwapRouter";
    UNISWAP_V3_POSITIONS = "NonfungiblePositionManager";
    AIRDROP = "Airdrop";
    ARENA = "Arena";
    DROP = "Drop";
    FACTORY = "Factory";
    MAYFLY = "Mayfly";
    MISER = "Miser";
    POND = "Pond";
    SHIFTER = "Shifter";
    STILLBORN = "Stillborn";
    WALLET = "Wallet";
    WITNESS = "Witness";
}
