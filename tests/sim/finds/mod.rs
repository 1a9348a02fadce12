//! What the simulation found, each in the smallest form that fails without its fix.

mod base;
mod drafts;
mod folders;
mod moves;
mod uploads;

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use crate::world::{CutAt, Side, World, body_of, files};
use pimsync::clock::Clock as _;
use pimsync::exchange::{Action, Flag, NewMessage, Personality, Rule};
use pimsync::plan::ConflictPolicy;
use pimsync::sync::{CutOff, Fault, Report, Request, Step};

const BOTH: [Personality; 2] = [Personality::Exchange, Personality::Gromox];

/// What is done, once, when so many times are left.
type Edit = (usize, Option<Box<dyn FnOnce() + Send>>);

/// Does something at the `n`th time that a run comes to a step.
struct During {
    step: Step,
    left: Mutex<Edit>,
}

impl During {
    fn nth(nth: usize, step: Step, edit: impl FnOnce() + Send + 'static) -> Arc<Self> {
        Arc::new(Self { step, left: Mutex::new((nth, Some(Box::new(edit)))) })
    }
}

impl Fault for During {
    fn at(&self, step: Step) -> Result<(), CutOff> {
        let mut left = self.left.lock().unwrap();
        if step == self.step {
            left.0 = left.0.saturating_sub(1);
        }
        if left.0 == 0
            && let Some(edit) = left.1.take()
        {
            edit();
        }
        Ok(())
    }
}

/// Cuts a run off at the `n`th time that it comes to a step.
struct CutAtNth {
    step: Step,
    left: Mutex<usize>,
}

impl CutAtNth {
    fn new(nth: usize, step: Step) -> Arc<Self> {
        Arc::new(Self { step, left: Mutex::new(nth) })
    }
}

impl Fault for CutAtNth {
    fn at(&self, step: Step) -> Result<(), CutOff> {
        let mut left = self.left.lock().unwrap();
        if step == self.step {
            *left = left.saturating_sub(1);
        }
        if *left == 0 { Err(CutOff(step)) } else { Ok(()) }
    }
}

/// A sync of one folder after the other, in the order in which the server made them.
fn sync_in_order(world: &World, request: &Request, fault: Arc<dyn Fault>) -> Report {
    let mut engine = world.engine(fault);
    engine.settings.folders_at_once = 1;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(engine.run(request)).unwrap()
}

fn only(folder: &str) -> Request {
    Request { folders: vec![folder.to_owned()], ..Request::default() }
}

fn draft() -> NewMessage<'static> {
    NewMessage { draft: true, ..NewMessage::default() }
}

fn copies(world: &World, name: &str) -> usize {
    world.remote().values().flatten().filter(|seen| seen.id == format!("{name}@example.org")).count()
}

/// Gives a message's file a name of another program's making and another text, as a mail reader that saves a copy elsewhere does.
fn rewritten_elsewhere(world: &World, name: &str, folder: &str, text: &str) {
    world.remove(name);
    world.put_bytes(folder, &World::mime_with(name, text), ":2,S");
}

/// The server refuses to render a message, twice: once in a batch, once alone.
fn refuse_to_render(world: &World, id: &str) {
    let code = "ErrorContentConversionFailed".to_owned();
    world.server.faults().add(Rule::on("GetItem", Action::ItemError { code }).for_item(id).times(2));
}

fn delivered_part(name: &std::ffi::OsStr) -> String {
    name.to_string_lossy().split(':').next().unwrap_or_default().to_owned()
}
