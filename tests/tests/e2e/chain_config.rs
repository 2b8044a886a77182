//! `lockstep dev` on a chain file of one's own.

use std::{fs, path::Path};

use alloy::primitives::{Address, U256};
use alloy::providers::Provider;
use lockstep_tests::{Devnet, DevnetOptions};

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_file_gives_its_rules_to_both_layers() {
    let dev = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/chains/dev.toml");
    let text = fs::read_to_string(dev).unwrap();
    let text = text.replace("l2_chain_id = 901337", "l2_chain_id = 424242");
    let text = text.replace("gas_limit = 60_000_000", "gas_limit = 30_000_000");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chain.toml");
    let own = "[[accounts]]\naddress = \"0x00000000000000000000000000000000000000cc\"\nbalance = \"7\"\n";
    fs::write(&file, format!("{text}\n{own}")).unwrap();

    let flags = vec!["--chain-config".to_owned(), file.display().to_string()];
    let net = Devnet::start(DevnetOptions { flags, ..DevnetOptions::default() }).await.unwrap();

    let l2 = net.l2();
    assert_eq!((net.ready().l2_chain_id, l2.get_chain_id().await.unwrap()), (424_242, 424_242));
    let head = l2.get_block_by_number(Default::default()).await.unwrap().unwrap().header;
    assert_eq!(head.gas_limit, 30_000_000);
    let rich = l2.get_balance(Address::with_last_byte(0xcc)).await.unwrap();
    assert_eq!(rich, U256::from(7));
    net.assert_l1_alone_gives_the_same_chain().await.unwrap();
}
