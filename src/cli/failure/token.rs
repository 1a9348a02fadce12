//! What to do about an authority that gives no token, and a server that takes none.

use super::{CERTIFICATE, Class, NETWORK};
use crate::cli::ExitCode;
use crate::remote::auth::oauth::{Refusal, TokenError};

const AGAIN: &str =
    "run pimsync setup with the account's address again: it lets you sign in anew, and nothing else is changed";
const DECLINED: &str = "run the same command again, and agree where you are asked for it";
const SOMEBODY_ELSE: &str = "sign in as the right person, perhaps in a private window of the browser; where the account is known to the authority by that other name, \
                             name it with --user";
const LOCKED: &str = "the account is locked, most often after too many wrong passwords: wait a while, or ask its administrator. It is not tried again by \
                      itself, which would keep it locked";
const EXPIRED: &str = "the password has expired or must be changed: sign in to the organisation's web pages, which let you change it, then run pimsync setup again";
const DISABLED: &str = "the account is disabled: ask its administrator";
const WRONG: &str = "the name or the password is wrong: run pimsync setup with the account's address again";
const CONDITIONAL: &str = "a rule of the organisation (conditional access) does not let this machine or program in: ask the administrator what it demands, such as a \
                           machine that the organisation manages, or a certain network; --grant browser may satisfy it where device does not";
const CONSENT: &str = "nobody has allowed the application that yet: an administrator of the tenant must grant it EWS.AccessAsUser.All, or for --grant application \
                       full_access_as_app";
const UNKNOWN_PROGRAM: &str = "the tenant does not know that application, or has switched it off: compare --client-id and --tenant with its registration in Microsoft Entra";
const NOT_ASSIGNED: &str =
    "the application is only for people whom the administrator assigned to it: ask to be one of them";
const NO_PUBLIC_CLIENT: &str = "the application's registration must allow public client flows (Authentication, in Microsoft Entra), for --grant device and browser";
const PROGRAM_SECRET: &str = "the application's secret is wrong or has expired: make a new one in its registration, and store that by pimsync setup; it is the secret's \
                              value that counts, not its id";
const TENANT: &str = "there is no such tenant: compare --tenant with the organisation's domain";
const RESOURCE: &str = "the application's registration lacks the permission for Exchange (Office 365 Exchange Online: EWS.AccessAsUser.All, or full_access_as_app), or \
                        --scope names what the authority does not know";
const CLOCK: &str = "compare this machine's clock with the right time: tokens hold for a certain time only";
const CLIENT: &str =
    "compare --client-id, --grant and the application's secret with how the authority has registered it";
const AUTHORITY: &str = "compare --authority with what the authority's administrator tells";

pub(super) fn class(error: &TokenError) -> Class {
    let refused = |kind, hint| (kind, ExitCode::SignInRefused, Some(hint));
    match error {
        TokenError::Unreachable { .. } => ("unreachable", ExitCode::Unreachable, Some(NETWORK)),
        TokenError::Untrusted { .. } => ("certificate", ExitCode::Untrusted, Some(CERTIFICATE)),
        TokenError::Protocol { .. } => ("protocol", ExitCode::Failed, Some(AUTHORITY)),
        TokenError::Refused(refusal) => refused(kind(error), hint(refusal)),
        TokenError::Nothing { .. } => refused("sign-in-again", AGAIN),
        TokenError::Declined | TokenError::TimedOut => refused("sign-in-refused", DECLINED),
        TokenError::SomebodyElse { .. } => refused("sign-in-refused", SOMEBODY_ELSE),
        TokenError::Kept(_) => ("password", ExitCode::Failed, None),
        TokenError::Settings(_) => ("config", ExitCode::Failed, None),
    }
}

fn kind(error: &TokenError) -> &'static str {
    if error.wants_person() { "sign-in-again" } else { "sign-in-refused" }
}

/// By Microsoft's number (the list of AADSTS error codes of the Microsoft identity platform), else by the name that RFC 6749 gives it.
fn hint(refusal: &Refusal) -> &'static str {
    match refusal.aadsts {
        Some(50053) => LOCKED,
        Some(50055 | 50056 | 50144) => EXPIRED,
        Some(50057) => DISABLED,
        Some(50126 | 50034) => WRONG,
        Some(50005 | 50097 | 53000..=53011 | 530_002..=530_004 | 530_031..=530_036 | 530_084) => CONDITIONAL,
        Some(65001 | 65004 | 90094 | 90095) => CONSENT,
        Some(700_016 | 700_038 | 7_000_112) => UNKNOWN_PROGRAM,
        Some(50105) => NOT_ASSIGNED,
        Some(7_000_218) => NO_PUBLIC_CLIENT,
        Some(7_000_215 | 7_000_222) => PROGRAM_SECRET,
        Some(90002 | 900_023) => TENANT,
        Some(70011 | 500_011 | 650_052 | 650_053 | 650_057) => RESOURCE,
        Some(700_024) => CLOCK,
        _ => match refusal.error.as_str() {
            "invalid_grant" | "interaction_required" | "login_required" | "consent_required" => AGAIN,
            "access_denied" => DECLINED,
            "invalid_scope" | "invalid_target" => RESOURCE,
            _ => CLIENT,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(error: &str, aadsts: Option<u32>) -> Class {
        let host = "login.example.org".to_owned();
        class(&TokenError::Refused(Refusal { host, error: error.to_owned(), aadsts, words: String::new() }))
    }

    #[test]
    fn what_an_authority_says_becomes_what_to_do() {
        for (error, aadsts, kind, hint) in [
            ("invalid_grant", None, "sign-in-again", AGAIN),
            ("invalid_grant", Some(700_082), "sign-in-again", AGAIN),
            ("invalid_grant", Some(53003), "sign-in-again", CONDITIONAL),
            ("invalid_grant", Some(50053), "sign-in-again", LOCKED),
            ("unauthorized_client", Some(700_016), "sign-in-refused", UNKNOWN_PROGRAM),
            ("invalid_client", Some(7_000_222), "sign-in-refused", PROGRAM_SECRET),
            ("invalid_client", None, "sign-in-refused", CLIENT),
            ("invalid_scope", None, "sign-in-refused", RESOURCE),
        ] {
            assert_eq!(refusal(error, aadsts), (kind, ExitCode::SignInRefused, Some(hint)), "{error} {aadsts:?}");
        }
    }
}
