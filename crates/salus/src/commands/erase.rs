use anyhow::Result;

use crate::cli::{Erase, Format};
use crate::config::Config;
use crate::keeping::{self, Erased};
use crate::local::Operator;
use crate::output;

pub(crate) async fn run(config: Config, args: Erase, format: Format) -> Result<u8> {
    let order = keeping::Erase {
        patient: args.patient,
        reason: args.reason,
    };
    let operator = Operator::reach(config).await?;
    let erased = operator.erase(&order).await;
    operator.done().await;
    output::result(format, &erased?, words);
    Ok(output::WELL)
}

fn words(erased: &Erased) -> String {
    let mut out = format!(
        "erased: {} events of {} patient record(s) cannot be read any more; the order is event {}",
        erased.events, erased.patients, erased.order
    );
    for view in &erased.waiting {
        out.push_str(&format!(
            "\nthe view `{view}` is still being rewritten; it goes on by itself"
        ));
    }
    out.push_str(
        "\ncopies of `keyring.db` that are older than this still open what was erased: destroy \
         them (see docs/operate.md)",
    );
    out
}
