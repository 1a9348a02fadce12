//! Envelopes, response messages and faults.

use super::Personality;
use super::xml::{MESSAGES, TYPES, XmlOut};

/// Why one slot of a batch, or the whole request, is refused: a response code and what is said about it.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) text: String,
    /// The values of a MessageXml.
    pub(super) values: Vec<(String, String)>,
}

impl Refusal {
    /// A refusal with the usual text of its code.
    pub(super) fn new(code: &str) -> Refusal {
        Refusal { code: code.to_owned(), text: text_of(code).to_owned(), values: Vec::new() }
    }

    /// A refusal with a text of its own.
    pub(super) fn because(code: &str, text: impl Into<String>) -> Refusal {
        Refusal { code: code.to_owned(), text: text.into(), values: Vec::new() }
    }

    /// A refusal that carries a value in its MessageXml.
    pub(super) fn with_value(mut self, name: &str, value: impl ToString) -> Refusal {
        self.values.push((name.to_owned(), value.to_string()));
        self
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Refusal {
        tracing::error!(%error, "embedded Exchange: the store failed");
        Refusal::new("ErrorInternalServerError")
    }
}

/// The codes after which Exchange does not try the rest of a batch.
const STOPPING: &[&str] = &[
    "ErrorAccessDenied",
    "ErrorAccountDisabled",
    "ErrorADUnavailable",
    "ErrorConnectionFailed",
    "ErrorMailboxStoreUnavailable",
    "ErrorMailboxMoveInProgress",
    "ErrorPasswordExpired",
    "ErrorQuotaExceeded",
    "ErrorInsufficientResources",
    "ErrorBatchProcessingStopped",
];

/// Whether the rest of a batch is not tried after this code.
pub(super) fn stops_batch(code: &str) -> bool {
    STOPPING.contains(&code)
}

const TEXTS: &[(&str, &str)] = &[
    ("ErrorAccessDenied", "Access is denied. Check credentials and try again."),
    ("ErrorAffectedTaskOccurrencesRequired", "AffectedTaskOccurrences is required for task items."),
    ("ErrorBatchProcessingStopped", "The batch processing was stopped because of an earlier error."),
    ("ErrorChangeKeyRequiredForWriteOperations", "A change key is required for this operation."),
    ("ErrorCannotCreateCalendarItemInNonCalendarFolder", "Cannot create a calendar item in this folder."),
    ("ErrorCannotCreateContactInNonContactFolder", "Cannot create a contact in this folder."),
    ("ErrorCannotCreateTaskInNonTaskFolder", "Cannot create a task in this folder."),
    ("ErrorDeleteDistinguishedFolder", "Distinguished folders cannot be deleted."),
    ("ErrorExpiredSubscription", "The subscription has expired."),
    ("ErrorFolderExists", "A folder with the specified name already exists."),
    ("ErrorFolderNotFound", "The specified folder could not be found in the store."),
    ("ErrorInternalServerError", "An internal server error occurred. The operation failed."),
    ("ErrorInternalServerTransientError", "An internal server error occurred. Try again later."),
    ("ErrorInvalidChangeKey", "The change key is invalid."),
    ("ErrorInvalidFolderId", "The folder id is invalid."),
    ("ErrorInvalidIdMalformed", "Id is malformed."),
    ("ErrorInvalidPropertyForOperation", "A property was requested that this operation cannot answer."),
    ("ErrorInvalidPropertySet", "Set action is invalid for property."),
    ("ErrorInvalidSyncStateData", "Synchronization state data is corrupt or otherwise invalid."),
    (
        "ErrorIrresolvableConflict",
        "The send or update operation could not be performed because the change key passed in the request does not match the current change key for the item.",
    ),
    ("ErrorInvalidWatermark", "The watermark is not known."),
    ("ErrorItemCorrupt", "The item is corrupt."),
    ("ErrorItemNotFound", "The specified object was not found in the store."),
    ("ErrorMessageDispositionRequired", "MessageDisposition is required for message items."),
    ("ErrorMessageSizeExceeded", "The message exceeds the maximum supported size."),
    ("ErrorMimeContentConversionFailed", "The MIME content conversion failed."),
    ("ErrorMimeContentInvalid", "The MIME content is invalid."),
    ("ErrorMimeContentInvalidBase64String", "The MIME content is not a valid base64 string."),
    ("ErrorMissingInformationEmailAddress", "The address of the mailbox is missing."),
    ("ErrorMoveDistinguishedFolder", "Distinguished folders cannot be moved."),
    ("ErrorNameResolutionMultipleResults", "Multiple results were found."),
    ("ErrorNameResolutionNoResults", "No results were found."),
    ("ErrorNoFolderClassOverride", "The folder class cannot be set for this kind of folder."),
    ("ErrorNonExistentMailbox", "The SMTP address has no mailbox associated with it."),
    ("ErrorQuotaExceeded", "The mailbox quota has been exceeded."),
    ("ErrorSendMeetingCancellationsRequired", "SendMeetingCancellations is required for calendar items."),
    (
        "ErrorSendMeetingInvitationsOrCancellationsRequired",
        "SendMeetingInvitationsOrCancellations is required for calendar items.",
    ),
    ("ErrorSendMeetingInvitationsRequired", "SendMeetingInvitations is required for calendar items."),
    ("ErrorServerBusy", "The server cannot service this request right now. Try again later."),
    ("ErrorExceededConnectionCount", "You have exceeded the available concurrent connections for your account."),
    ("ErrorStaleObject", "The change key is not current."),
    ("ErrorSubscriptionAccessDenied", "Only the owner of a subscription may use it."),
    ("ErrorSubscriptionNotFound", "The specified subscription was not found."),
    ("ErrorSyncFolderNotFound", "The folder to be synchronized could not be found."),
];

fn text_of(code: &str) -> &'static str {
    TEXTS.iter().find(|(known, _)| *known == code).map_or("The operation failed.", |(_, text)| text)
}

/// What stands before the answer's first element.
pub(super) fn envelope_head(like: Personality) -> String {
    let version = match like {
        Personality::Exchange => {
            "MajorVersion=\"15\" MinorVersion=\"2\" MajorBuildNumber=\"1544\" MinorBuildNumber=\"11\" Version=\"V2017_07_11\""
        }
        Personality::Gromox => {
            "MajorVersion=\"15\" MinorVersion=\"0\" MajorBuildNumber=\"847\" MinorBuildNumber=\"4040\" Version=\"V2017_07_11\""
        }
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\">\
         <s:Header><h:ServerVersionInfo xmlns:h=\"{TYPES}\" {version}/></s:Header><s:Body>"
    )
}

/// What stands after the answer's last element.
pub(super) const ENVELOPE_TAIL: &str = "</s:Body></s:Envelope>";

/// A fault for the whole request, as a complete envelope.
pub(super) fn fault(like: Personality, refusal: &Refusal, detail: &str) -> String {
    let mut out = XmlOut::new();
    out.raw("<?xml version=\"1.0\" encoding=\"utf-8\"?>");
    out.raw("<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault>");
    match like {
        Personality::Exchange => out.leaf("faultcode", &[("xmlns:a", TYPES)], &format!("a:{}", refusal.code)),
        Personality::Gromox => out.put("faultcode", "SOAP:Client"),
    }
    out.leaf("faultstring", &[("xml:lang", "en-US")], &refusal.text);
    let errors = [("xmlns:e", "http://schemas.microsoft.com/exchange/services/2006/errors")];
    out.open("detail", &[]);
    out.leaf("e:ResponseCode", &errors, &refusal.code);
    out.leaf("e:Message", &errors, &refusal.text);
    if !refusal.values.is_empty() || !detail.is_empty() {
        out.open("t:MessageXml", &[("xmlns:t", TYPES)]);
        out.raw(detail);
        for (name, value) in &refusal.values {
            out.leaf("t:Value", &[("Name", name)], value);
        }
        out.close("t:MessageXml");
    }
    out.raw("</detail></s:Fault></s:Body></s:Envelope>");
    out.buffer
}

/// Takes finished pieces of a long answer; false when nobody listens any more.
pub(super) type Sink<'a> = Box<dyn FnMut(String) -> bool + Send + 'a>;

/// An answer that grows response message by response message, and leaves in pieces when it is long.
pub(super) struct Answer<'a> {
    pub(super) out: XmlOut,
    sink: Sink<'a>,
    name: String,
}

/// The length from which on a growing answer is sent in pieces.
const PIECE: usize = 256 * 1024;

impl<'a> Answer<'a> {
    /// Begins the answer of an operation.
    pub(super) fn begin(like: Personality, operation: &str, sink: Sink<'a>) -> Answer<'a> {
        let mut out = XmlOut::new();
        out.raw(&envelope_head(like));
        let name = format!("m:{operation}Response");
        out.open(&name, &[("xmlns:m", MESSAGES), ("xmlns:t", TYPES)]);
        out.raw("<m:ResponseMessages>");
        Answer { out, sink, name }
    }

    /// Writes one response message: what the operation answers, or why it doesn't and what the schema wants then.
    pub(super) fn message(&mut self, element: &str, slot: &Result<String, Refusal>, on_error: &str) {
        match slot {
            Ok(payload) => {
                self.out.open(element, &[("ResponseClass", "Success")]);
                self.out.raw("<m:ResponseCode>NoError</m:ResponseCode>");
                self.out.raw(payload);
            }
            Err(refusal) => {
                let class = if refusal.code == "ErrorBatchProcessingStopped" { "Warning" } else { "Error" };
                self.refused(element, class, refusal);
                self.out.raw(on_error);
            }
        }
        self.end_message(element);
    }

    /// Writes a response message that answers, with a warning.
    pub(super) fn warning(&mut self, element: &str, warning: &Refusal, payload: &str) {
        self.refused(element, "Warning", warning);
        self.out.raw(payload);
        self.end_message(element);
    }

    fn refused(&mut self, element: &str, class: &str, refusal: &Refusal) {
        self.out.open(element, &[("ResponseClass", class)]);
        self.out.put("m:MessageText", &refusal.text);
        self.out.put("m:ResponseCode", &refusal.code);
        self.out.put("m:DescriptiveLinkKey", "0");
        if !refusal.values.is_empty() {
            self.out.raw("<m:MessageXml>");
            for (name, value) in &refusal.values {
                self.out.leaf("t:Value", &[("Name", name)], value);
            }
            self.out.raw("</m:MessageXml>");
        }
    }

    fn end_message(&mut self, element: &str) {
        self.out.close(element);
        if self.out.buffer.len() >= PIECE {
            self.flush();
        }
    }

    fn flush(&mut self) {
        (self.sink)(std::mem::take(&mut self.out.buffer));
    }

    /// Ends the answer.
    pub(super) fn end(mut self) {
        self.out.raw("</m:ResponseMessages>");
        self.out.close(&self.name);
        self.out.raw(ENVELOPE_TAIL);
        self.flush();
    }
}
