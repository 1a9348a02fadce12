//! `pimsync watch`: keeps the server and the directory in step until it is told to stop.

mod door;
mod metrics;
mod own;
mod supervisor;
mod told;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::context::{Company, Context, Identity, chosen};
use super::failure::Failure;
use super::output::Output;
use super::sync::complete_local_folders;
use super::{ExitCode, Global};
use crate::clock::{Clock, within};
use crate::identity::IdentityLock;
use crate::identity::config::Notifications;
use crate::sync::hearing::Hearing;
use crate::sync::timing::Rhythm;
use crate::sync::watch::Driver;
pub(super) use door::{HeardHow, WatchedAccount, Wish, nudge, standing, sync as hand_over};
use door::{Host, Room};
use metrics::{Life, Metrics};
use supervisor::Supervisor;
use told::Teller;
use worker::{AccountWorker, StopSwitch, Switched, Told};

/// How long what is under way gets to come to a step at which it can stop.
const GRACE: Duration = Duration::from_secs(30);

/// Keep the server and the directory in step, for as long as it runs
///
/// What changes on the server is in the files within seconds where the server tells of it, as Exchange since 2010 SP1 and gromox do; all folders
/// are checked once a minute besides. Local changes of a folder go to the server one minute after the first of them; those of Sent Items
/// at once. When the server cannot be reached, it is tried at growing distances, and everything is synchronized when it is reached again. The
/// times are settings of the account (see pimsync-identity(5)).
///
/// SIGTERM or an interrupt ends it after the step that is under way; a second one ends it at once. SIGHUP makes it read the settings anew.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Keep numbers for monitoring in this file, in the format of Prometheus's textfile collector
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// Write a line to this open file descriptor when it is ready
    ///
    /// systemd is told by its own means (Type=notify), watchdog included.
    #[arg(long, value_name = "N")]
    ready_fd: Option<u32>,
    /// Print each event as a line of JSON (see pimsync-json(5))
    #[arg(long)]
    pub(super) json: bool,
}

/// What ends the work of one reading of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Stop,
    Reload,
}

pub(super) fn run(args: Args, global: Global, output: &Output) -> anyhow::Result<ExitCode> {
    let switch = Arc::new(StopSwitch::default());
    let mut context = Context::new(global)?;
    context.env.fault = switch.clone();
    let identity = context.identity()?;
    chosen(&identity.config, None)?;
    let lock = IdentityLock::acquire(&context.layout, context.now())?;
    complete_local_folders(&context, output);
    let metrics = args.metrics.map(|file| Metrics::new(file, context.layout.identity().as_str()));
    let mut house = House {
        context: &context,
        switch,
        supervisor: Supervisor::from_environment(),
        teller: Teller::new(output, metrics),
        ready: Some(args.ready_fd),
    };
    let ended = context.runtime.block_on(house.live(identity));
    house.teller.write_metrics(Life::Ended);
    drop(house);
    // What had no time left ends with the process, and the lock with it.
    context.runtime.shutdown_background();
    std::mem::forget(lock);
    ended.map(|()| ExitCode::Done)
}

/// All that lives as long as the process.
struct House<'a> {
    context: &'a Context,
    switch: Arc<StopSwitch>,
    supervisor: Supervisor,
    teller: Teller<'a>,
    /// Whom to tell that it is ready, besides systemd; nobody when it was told.
    ready: Option<Option<u32>>,
}

/// The signals that it lives by.
struct Calls {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Calls {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    async fn next(&mut self) -> End {
        tokio::select! {
            _ = self.terminate.recv() => End::Stop,
            _ = self.interrupt.recv() => End::Stop,
            _ = self.hang_up.recv() => End::Reload,
        }
    }
}

impl House<'_> {
    async fn live(&mut self, mut identity: Identity) -> anyhow::Result<()> {
        let mut calls = Calls::new().context("cannot listen for signals")?;
        while self.keep_in_step(&identity, &mut calls).await? == End::Reload {
            let read = || -> anyhow::Result<Identity> {
                let new = self.context.identity()?;
                chosen(&new.config, None)?;
                Ok(new)
            };
            match read() {
                Ok(new) => identity = new,
                // What was read before still holds.
                Err(error) => self.teller.complain(&Failure::of(&error)),
            }
        }
        Ok(())
    }

    /// Keeps all accounts in step until a signal comes, and comes back when what was under way has ended.
    async fn keep_in_step(&mut self, identity: &Identity, calls: &mut Calls) -> anyhow::Result<End> {
        let (tell, mut told) = mpsc::unbounded_channel();
        let turn = Arc::new(Mutex::new(()));
        let accounts = &identity.config.trees();
        let company = if accounts.len() > 1 { Company::Others } else { Company::Alone };
        let way = self.context.way();
        let clock = self.context.env.clock.clone();
        let (mut drivers, mut rooms) = (JoinSet::new(), Vec::new());
        for account in accounts {
            let rhythm = Rhythm {
                poll_interval: Duration::from_secs(account.watch.poll_interval.into()),
                push_delay: Duration::from_secs(account.watch.push_delay.into()),
            };
            let worker = AccountWorker::new(way.clone(), account.clone(), company, Arc::clone(&turn), tell.clone());
            worker.listen();
            let driver = Driver::new(Arc::clone(&worker), clock.clone(), Arc::clone(&worker.signals), rhythm);
            let (name, tell, mut board) = (account.name.to_string(), tell.clone(), driver.board());
            tokio::spawn(async move {
                while board.changed().await.is_ok() {
                    let shown = board.borrow_and_update().clone();
                    if tell.send(Told::Board(name.clone(), shown)).is_err() {
                        break;
                    }
                }
            });
            if account.watch.notifications == Notifications::On {
                let signals = Arc::clone(&worker.signals);
                drivers.spawn(Hearing::new(Arc::clone(&worker), clock.clone(), signals, driver.board()).run());
            }
            rooms.push(Room { account: account.clone(), worker, board: driver.board() });
            drivers.spawn(driver.run());
        }
        let signals: Vec<_> = rooms.iter().map(|room| Arc::clone(&room.worker.signals)).collect();
        let door = Host::new(way, identity.config.clone(), rooms).open();
        if let Err(error) = &door {
            let text = format!("pimsync sync and pimsync status cannot ask this watch: {error}");
            self.teller.tell(Told::Remark(text))?;
        }
        if let Some(descriptor) = self.ready.take() {
            self.supervisor.ready(descriptor).context("cannot write to the descriptor of --ready-fd")?;
        } else {
            self.supervisor.ready(None)?;
        }
        let mut end = self.listen(&mut told, calls, &*clock).await?;
        match end {
            End::Stop => self.supervisor.stopping(),
            End::Reload => self.supervisor.reloading(),
        }
        self.switch.set(Switched::Off);
        signals.iter().for_each(|signals| signals.stop());
        if end == End::Reload {
            tokio::select! {
                () = all_ended(&mut drivers) => {}
                () = calls.stop() => end = End::Stop,
            }
        }
        if end == End::Stop {
            tokio::select! {
                _ = within(&*clock, GRACE, all_ended(&mut drivers)) => {}
                () = calls.stop() => {}
            }
        }
        self.switch.set(Switched::On);
        drop(door);
        while let Ok(last) = told.try_recv() {
            self.teller.tell(last)?;
        }
        Ok(end)
    }

    /// Passes on what is told until a signal comes.
    async fn listen(
        &mut self,
        told: &mut mpsc::UnboundedReceiver<Told>,
        calls: &mut Calls,
        clock: &dyn Clock,
    ) -> anyhow::Result<End> {
        loop {
            let beat = clock.alarm(self.supervisor.interval().unwrap_or(Duration::from_secs(3600)));
            tokio::select! {
                end = calls.next() => return Ok(end),
                Some(told) = told.recv() => {
                    self.teller.tell(told)?;
                    self.supervisor.status(&self.teller.summary());
                }
                () = beat => {}
            }
            self.supervisor.alive();
        }
    }
}

async fn all_ended(drivers: &mut JoinSet<()>) {
    while drivers.join_next().await.is_some() {}
}
