use super::*;
use crate::identity::auth::OAuth2Settings;
use crate::remote::auth::Scheme;
use crate::remote::auth::oauth::Authority;
use crate::remote::reach::Pin;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, Path::new("identity.toml")).map_err(|error| error.to_string())
}

fn account(extra: &str) -> String {
    format!(
        "format = 1\n\n[[account]]\nname = \"a@x.org\"\nemail = \"a@x.org\"\nserver = \"https://x.org/e\"\n{extra}\n"
    )
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = parse(&account("")).unwrap();
    let account = config.account("A@X.org").unwrap();
    assert_eq!((account.user.as_str(), &account.auth), ("a@x.org", &Auth::Offered));
    assert_eq!(account.password, PasswordSource::File);
    assert_eq!((account.conflicts, account.folders_at_a_time), (ConflictPolicy::KeepBoth, 4));
    assert_eq!(account.meetings, Mailing::Nobody, "nobody is mailed unless that is asked for");
    assert_eq!((account.watch.poll_interval, account.watch.push_delay), (60, 60));
    assert_eq!(account.watch.at_once, ["Sent Items"]);
    assert_eq!(account.watch.notifications, Notifications::On);
    assert_eq!(parse("format = 1").unwrap(), Config::default());
}

#[test]
fn everything_can_be_said() {
    let config = parse(&account(&format!(
        "pin = '{}'\nproxy = 'socks5://p:1080'\nclient_certificate = '/me.pem'\nuser = 'X\\a'\nauth = 'ntlm'\npassword_command = 'pass show x'\nca_file = '/c.pem'\nconflicts = 'local'\nmeetings = 'send'\nfolders_at_a_time = 1\n\
         poll_interval = 300\npush_delay = 0\nat_once = ['/Gesendete Elemente/', 'Team']\nnotifications = 'off'",
        Pin::of(b"x")
    )));
    let config = config.unwrap();
    let account = &config.accounts[0];
    assert_eq!((account.user.as_str(), &account.auth), ("X\\a", &Auth::Password(Scheme::Ntlm)));
    assert_eq!(account.password, PasswordSource::Command("pass show x".into()));
    let pin = Some(Pin::of(b"x"));
    let proxy = Some("socks5://p:1080".parse().unwrap());
    let (ca_file, client_certificate) = (Some("/c.pem".into()), Some("/me.pem".into()));
    assert_eq!(account.reach, Reach { ca_file, pin, client_certificate, proxy });
    assert_eq!((account.conflicts, account.folders_at_a_time), (ConflictPolicy::Local, 1));
    assert_eq!(account.meetings, Mailing::Concerned);
    let at_once = vec!["Gesendete Elemente".to_owned(), "Team".to_owned()];
    let notifications = Notifications::Off;
    assert_eq!(account.watch, WatchSettings { poll_interval: 300, push_delay: 0, at_once, notifications });
}

#[test]
fn each_other_mailbox_is_a_tree_of_its_own() {
    let text =
        account("mailboxes = ['Shared@x.org', 'archive', 'shared@x.org']\nimpersonate = 'a@x.org'\nmeetings = 'send'");
    let config = parse(&text).unwrap();
    assert_eq!(config.accounts[0].impersonate.as_deref(), Some("a@x.org"));
    let trees = config.trees();
    let names: Vec<&str> = trees.iter().map(|tree| tree.name.as_str()).collect();
    assert_eq!(names, ["a@x.org", "a@x.org/Other Mailboxes/shared@x.org", "a@x.org/Other Mailboxes/Archive"]);
    assert_eq!(
        (trees[0].meetings, trees[1].meetings),
        (Mailing::Concerned, Mailing::Nobody),
        "nobody is mailed in others' names"
    );
    assert_eq!(trees[1].signs_in_as(), &config.accounts[0].name);
}

#[test]
fn a_token_is_signed_in_by_as_the_settings_say() {
    let auth = |extra: &str| {
        let account = parse(&account(&format!("auth = 'oauth2'\n{extra}"))).unwrap().accounts.remove(0);
        (account.auth, account.password)
    };
    let settings = OAuth2Settings {
        client_id: "x".to_owned(),
        authority: Authority::tenant("organizations").unwrap(),
        grant: Grant::Device,
        scope: None,
    };
    assert_eq!(auth("client_id = 'x'"), (Auth::OAuth2(settings.clone()), PasswordSource::None));
    let (authority, scope) = (Authority::issuer("https://x.org/r").unwrap(), Some("a b".to_owned()));
    let all = OAuth2Settings { authority, grant: Grant::Application, scope, ..settings.clone() };
    let said = "client_id = 'x'\nauthority = 'https://x.org/r'\ngrant = 'application'\nscope = 'a b'";
    assert_eq!(auth(said), (Auth::OAuth2(all), PasswordSource::File), "the program's own secret");
    assert_eq!(auth("token_command = 'p x'"), (Auth::TokenCommand("p x".to_owned()), PasswordSource::None));
    let server = Server::Ews("https://mail.x.org/EWS/Exchange.asmx".to_owned());
    let scope = settings.registration(&server).scope;
    assert_eq!(scope, "openid profile offline_access https://mail.x.org/EWS.AccessAsUser.All");
}

#[test]
fn a_mistake_is_told_with_its_line_and_what_is_allowed() {
    for (extra, told) in [
        ("conflict = 'local'", "line 7: unknown field `conflict`, expected"),
        ("conflicts = 'mine'", "line 7: conflicts must be \"keep-both\", \"server\" or \"local\""),
        ("meetings = true", "line 7: "),
        ("meetings = 'all'", "line 7: meetings must be \"quiet\" or \"send\""),
        ("folders_at_a_time = 9", "line 7: folders_at_a_time must be 1 to 4"),
        ("poll_interval = 1", "line 7: poll_interval must be 10 to 86400 seconds"),
        ("push_delay = -1", "line 7: push_delay must be 0 to 86400 seconds"),
        ("notifications = 'never'", "line 7: notifications must be \"on\" or \"off\""),
        ("at_once = ['/']", "line 7: at_once names no folder in one place"),
        ("auth = 'NTLM'", "line 7: auth must be \"basic\", \"ntlm\", \"negotiate\" or \"oauth2\""),
        ("auth = 'oauth2'", "line 7: auth = \"oauth2\" needs a client_id, or a token_command"),
        ("client_id = 'x'", "line 7: client_id only goes with auth = \"oauth2\""),
        ("auth = 'oauth2'\nclient_id = 'x'\ntoken_command = 'y'", "line 8: give client_id or token_command"),
        (
            "auth = 'oauth2'\nclient_id = 'x'\ntenant = 'a'\nauthority = 'https://x.org'",
            "line 10: give tenant or authority",
        ),
        ("auth = 'oauth2'\nclient_id = 'x'\nauthority = 'http://x.org'", "line 9: an authority is written like"),
        ("auth = 'oauth2'\nclient_id = 'x'\ntenant = 'a/b'", "line 9: a tenant is a domain"),
        ("auth = 'oauth2'\nclient_id = 'x'\ngrant = 'code'", "line 9: grant must be \"device\", \"browser\" or"),
        (
            "auth = 'oauth2'\nclient_id = 'x'\npassword_command = 'p'",
            "line 9: with auth = \"oauth2\" there is no password",
        ),
        ("pin = 'sha1:00'", "line 7: a pin is written sha256: and 64"),
        ("proxy = 'p:1'", "line 7: a proxy is written like"),
        ("client_certificate = 'c.pem'", "line 7: client_certificate must be a whole path"),
        ("mailboxes = ['shared']", "line 7: a mailbox is named by its address"),
        ("mailboxes = ['A@x.org']", "line 7: mailboxes names the account's own mailbox"),
        ("impersonate = 'X'", "line 7: "),
        ("ca_file = 'c.pem'", "line 7: ca_file must be a whole path"),
        ("password_command = ' '", "line 7: password_command is empty"),
        ("password_credential = '../x'", "line 7: password_credential is the name"),
        ("password_credential = 'x'\npassword = 'file'", "line 8: give password_credential alone"),
        ("user = ", "line 7: "),
    ] {
        let error = parse(&account(extra)).unwrap_err();
        assert!(error.contains(&format!("identity.toml, {told}")), "{error}");
    }
    assert!(parse("").unwrap_err().contains("missing field `format`"));
    assert!(parse("format = 9").unwrap_err().contains("line 1: format must be 1"));
    let twice = format!("{}{}", account(""), account("").replace("format = 1", ""));
    assert!(parse(&twice).unwrap_err().contains("two accounts named a@x.org"));
}

#[test]
fn no_error_tells_a_misplaced_password() {
    for extra in ["password = 'hunter2'", "password = 'hunter2", "password = hunter2"] {
        let error = parse(&account(extra)).unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
    let server = Server::parse("https://a:hunter2@x.org/").unwrap_err();
    assert!(!server.contains("hunter2"));
}

#[test]
fn servers_are_https_or_this_machine() {
    for good in
        ["demo:", "https://x.org/EWS/Exchange.asmx", "http://localhost:8080/e", "http://[::1]/e", "http://127.0.0.1/"]
    {
        assert_eq!(Server::parse(good).unwrap().as_str(), good);
    }
    for bad in ["", "x.org", "http://x.org/", "ftp://x.org/", "demo", "https://", "file:///etc"] {
        assert!(Server::parse(bad).is_err(), "{bad}");
    }
}
