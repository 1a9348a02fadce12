//! Scripted faults: rules that say at which request, or at which item of a request, the server misbehaves, and how.
//! Nothing is random: a rule counts what it matches.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// HTTP 500 with a SOAP fault ErrorServerBusy; with a number, the back-off is told in milliseconds.
    ServerBusyFault {
        /// What BackOffMilliseconds says; it is left out when none.
        #[serde(default)]
        backoff_ms: Option<u64>,
    },
    /// HTTP 200, every response message says ErrorServerBusy.
    ServerBusyInMessage {
        /// What BackOffMilliseconds says; it is left out when none.
        #[serde(default)]
        backoff_ms: Option<u64>,
    },
    /// HTTP 200, ErrorInternalServerError whose InnerErrorResponseCode is ErrorServerBusy.
    InternalServerErrorWithInnerBusy,
    /// HTTP 429.
    Http429 {
        /// Seconds for Retry-After; it is left out when none.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// HTTP 503.
    Http503 {
        /// Seconds for Retry-After; it is left out when none.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// HTTP 401, although the password was right.
    Unauthorized401,
    /// HTTP 302 to /ews/genericerrorpage.htm.
    Redirect302,
    /// HTTP 500 with an HTML page, and the connection is closed.
    HtmlErrorPage,
    /// HTTP 500 with a SOAP fault ErrorExceededConnectionCount.
    ExceededConnectionCount,
    /// The connection breaks before anything was done.
    ResetBeforeCommit,
    /// The connection breaks after all was done: the answer is lost.
    ResetAfterCommit,
    /// The connection breaks after this many bytes of the answer's body.
    CutBody {
        /// How many bytes of the body are still sent.
        at: usize,
    },
    /// The sync state is called invalid.
    InvalidSyncState,
    /// The sync state is ignored: a complete listing begins without a word.
    SilentlyResetSyncState,
    /// References to characters that XML does not have, and such characters themselves, appear in texts.
    IllegalXml,
    /// MIME comes as base64 without its padding and broken into lines.
    OddBase64,
    /// One slot of a batch is refused with this code.
    ItemError {
        /// The response code.
        code: String,
    },
    /// The answer comes late.
    Slow {
        /// How late, in milliseconds.
        ms: u64,
    },
    /// HTTP 200 with a body that is no XML.
    Garbage,
    /// A page of changes repeats its changes, and the next page would too.
    DuplicateChanges,
    /// UpdateItem is answered as done, and everything is as it was: some properties of some items are like that on real servers.
    SilentlyUnchanged,
    /// Any SOAP fault, with HTTP 500.
    Fault {
        /// The response code.
        code: String,
    },
}

/// When something goes wrong. What is left out matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The operation, such as `GetItem`.
    #[serde(default)]
    pub operation: Option<String>,
    /// Only the n-th match, from 1.
    #[serde(default)]
    pub nth: Option<u64>,
    /// Every n-th match.
    #[serde(default)]
    pub every: Option<u64>,
    /// At most so many times.
    #[serde(default)]
    pub times: Option<u64>,
    /// The request's text contains this.
    #[serde(default)]
    pub contains: Option<String>,
    /// Only the item with this id.
    #[serde(default)]
    pub item: Option<String>,
    /// Only items whose subject contains this.
    #[serde(default)]
    pub subject: Option<String>,
    /// Only this slot of a batch, from 0.
    #[serde(default)]
    pub slot: Option<usize>,
    /// What happens.
    pub action: Action,
}

impl Rule {
    /// A rule that fires at every request, or for [`Action::ItemError`] at every item.
    pub fn always(action: Action) -> Rule {
        Rule {
            operation: None,
            nth: None,
            every: None,
            times: None,
            contains: None,
            item: None,
            subject: None,
            slot: None,
            action,
        }
    }

    /// A rule that fires at every request of one operation.
    pub fn on(operation: &str, action: Action) -> Rule {
        Rule { operation: Some(operation.to_owned()), ..Rule::always(action) }
    }

    /// The same rule for the n-th match only.
    #[must_use]
    pub fn nth(self, nth: u64) -> Rule {
        Rule { nth: Some(nth), ..self }
    }

    /// The same rule for every n-th match.
    #[must_use]
    pub fn every(self, every: u64) -> Rule {
        Rule { every: Some(every), ..self }
    }

    /// The same rule, at most so many times.
    #[must_use]
    pub fn times(self, times: u64) -> Rule {
        Rule { times: Some(times), ..self }
    }

    /// The same rule for requests that contain a text.
    #[must_use]
    pub fn containing(self, text: &str) -> Rule {
        Rule { contains: Some(text.to_owned()), ..self }
    }

    /// The same rule for one item.
    #[must_use]
    pub fn for_item(self, id: &str) -> Rule {
        Rule { item: Some(id.to_owned()), ..self }
    }

    /// The same rule for items whose subject contains a text.
    #[must_use]
    pub fn for_subject(self, text: &str) -> Rule {
        Rule { subject: Some(text.to_owned()), ..self }
    }

    /// The same rule for one slot of a batch.
    #[must_use]
    pub fn for_slot(self, slot: usize) -> Rule {
        Rule { slot: Some(slot), ..self }
    }

    fn is_about_items(&self) -> bool {
        matches!(self.action, Action::ItemError { .. })
    }

    fn is_due(&self, matched: u64, fired: u64) -> bool {
        self.nth.is_none_or(|nth| matched == nth)
            && self.every.is_none_or(|every| every > 0 && matched.is_multiple_of(every))
            && self.times.is_none_or(|times| fired < times)
    }
}

/// A list of rules, as `--faults FILE` reads it: `[[rule]]` tables of TOML.
///
/// ```toml
/// [[rule]]                    # the third GetItem is throttled
/// operation = "GetItem"
/// nth = 3
/// action = { do = "server-busy-fault", backoff-ms = 2000 }
///
/// [[rule]]                    # messages about invoices can't be read
/// operation = "GetItem"
/// subject = "invoice"
/// action = { do = "item-error", code = "ErrorItemCorrupt" }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultScript {
    /// The rules, each of which counts for itself.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
}

impl FaultScript {
    /// Reads a script.
    pub fn from_toml(text: &str) -> Result<FaultScript, super::Error> {
        toml::from_str(text).map_err(|error| super::Error::Faults(error.to_string()))
    }
}

/// The rules of a running server; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    rules: Arc<Mutex<Vec<Counted>>>,
}

#[derive(Debug)]
struct Counted {
    rule: Rule,
    matched: u64,
    fired: u64,
}

impl Counted {
    fn fire(&mut self) -> Option<Action> {
        self.matched += 1;
        if !self.rule.is_due(self.matched, self.fired) {
            return None;
        }
        self.fired += 1;
        Some(self.rule.action.clone())
    }
}

/// An item that is about to be read or written.
#[derive(Debug, Default)]
pub(super) struct Victim<'a> {
    pub(super) slot: usize,
    pub(super) id: &'a str,
    pub(super) subject: &'a str,
}

impl Faults {
    pub(super) fn new(script: FaultScript) -> Faults {
        let faults = Faults::default();
        for rule in script.rules {
            faults.add(rule);
        }
        faults
    }

    /// Adds a rule; its number is what [`Faults::fired`] is asked with.
    pub fn add(&self, rule: Rule) -> usize {
        let mut rules = self.lock();
        rules.push(Counted { rule, matched: 0, fired: 0 });
        rules.len() - 1
    }

    /// How often a rule has fired.
    pub fn fired(&self, rule: usize) -> u64 {
        self.lock().get(rule).map_or(0, |counted| counted.fired)
    }

    /// Forgets all rules.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// What befalls a request.
    pub(super) fn for_request(&self, operation: &str, body: &str) -> Vec<Action> {
        let matches = |rule: &Rule| {
            !rule.is_about_items()
                && rule.operation.as_deref().is_none_or(|name| name == operation)
                && [&rule.contains, &rule.item, &rule.subject]
                    .into_iter()
                    .flatten()
                    .all(|text| body.contains(text.as_str()))
        };
        self.lock().iter_mut().filter(|counted| matches(&counted.rule)).filter_map(Counted::fire).collect()
    }

    /// The code with which one item of a batch is refused.
    pub(super) fn for_item(&self, operation: &str, victim: &Victim<'_>) -> Option<String> {
        let matches = |rule: &Rule| {
            rule.is_about_items()
                && rule.operation.as_deref().is_none_or(|name| name == operation)
                && rule.slot.is_none_or(|slot| slot == victim.slot)
                && rule.item.as_deref().is_none_or(|id| id == victim.id)
                && rule.subject.as_deref().is_none_or(|text| victim.subject.contains(text))
        };
        let mut rules = self.lock();
        let actions = rules.iter_mut().filter(|counted| matches(&counted.rule)).filter_map(Counted::fire);
        let mut codes = actions.filter_map(|action| match action {
            Action::ItemError { code } => Some(code),
            _ => None,
        });
        codes.next()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Counted>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
