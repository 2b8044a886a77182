//! Real mainnet blocks, of `LOCKSTEP_DATA`.

use lockstep_testkit::real::Mainnet;

use super::{Score, examples, predictor};

#[test]
#[ignore = "prints hit rates"]
fn real_hit_rates() {
    let Some(mainnet) = Mainnet::open() else { return };
    let predictor = predictor();
    for pass in 0..3 {
        let mut sum = Score::default();
        for block in mainnet.blocks() {
            let mut all = examples(&block.state, &block.cfg, &block.block, &block.txs);
            let score = predictor.steps(&mut all);
            println!("{} {:?} {score}", block.number(), block.spec());
            sum += score;
        }
        println!("pass {pass}: {sum}");
    }
}
