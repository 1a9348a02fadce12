//! Which archives are to stay, as people say it.

use crate::backup::retention::{Keep, Retention};

/// The options that say which archives stay.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "What stays")]
pub(super) struct Keeping {
    /// Keep the newest N archives (or "all")
    #[arg(long, value_name = "N", value_parser = keep)]
    keep_last: Option<Keep>,
    /// Keep the newest archive of each of the newest N hours that have one (or "all")
    #[arg(long, value_name = "N", value_parser = keep)]
    keep_hourly: Option<Keep>,
    /// The same for days
    #[arg(long, value_name = "N", value_parser = keep)]
    keep_daily: Option<Keep>,
    /// The same for weeks
    #[arg(long, value_name = "N", value_parser = keep)]
    keep_weekly: Option<Keep>,
    /// The same for months
    #[arg(long, value_name = "N", value_parser = keep)]
    keep_monthly: Option<Keep>,
    /// The same for years
    #[arg(long, value_name = "N", value_parser = keep)]
    keep_yearly: Option<Keep>,
}

impl Keeping {
    /// What was said; nothing where nothing was.
    pub(super) fn said(&self) -> Option<Retention> {
        let all =
            [self.keep_last, self.keep_hourly, self.keep_daily, self.keep_weekly, self.keep_monthly, self.keep_yearly];
        let [last, hourly, daily, weekly, monthly, yearly] = all.map(|keep| keep.unwrap_or(Keep::Newest(0)));
        let retention = Retention { last, hourly, daily, weekly, monthly, yearly };
        all.iter().any(Option::is_some).then_some(retention)
    }
}

fn keep(text: &str) -> Result<Keep, String> {
    match text.parse() {
        Ok(number) => Ok(Keep::Newest(number)),
        Err(_) if text == "all" => Ok(Keep::All),
        Err(_) => Err("give a number, or all".to_owned()),
    }
}
