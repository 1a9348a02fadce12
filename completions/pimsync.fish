# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_pimsync_global_optspecs
    string join \n root= identity= trace-soap= q/quiet v/verbose h/help V/version
end

function __fish_pimsync_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_pimsync_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_pimsync_using_subcommand
    set -l cmd (__fish_pimsync_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c pimsync -n "__fish_pimsync_needs_command" -l root -d 'Where the identities lie, instead of the platform\'s data folder' -r -F
complete -c pimsync -n "__fish_pimsync_needs_command" -l identity -d 'The identity to work on' -r
complete -c pimsync -n "__fish_pimsync_needs_command" -l trace-soap -d 'Write each request and response into a file of this directory, with passwords left out' -r -F
complete -c pimsync -n "__fish_pimsync_needs_command" -s q -l quiet -d 'Say nothing but errors and what needs attention'
complete -c pimsync -n "__fish_pimsync_needs_command" -s v -l verbose -d 'Say more on standard error; twice for even more'
complete -c pimsync -n "__fish_pimsync_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pimsync -n "__fish_pimsync_needs_command" -s V -l version -d 'Print version'
complete -c pimsync -n "__fish_pimsync_needs_command" -f -a "setup" -d 'Set an account up, and synchronize it for the first time'
complete -c pimsync -n "__fish_pimsync_needs_command" -f -a "sync" -d 'Bring the server and the directory in step'
complete -c pimsync -n "__fish_pimsync_needs_command" -f -a "watch" -d 'Keep the server and the directory in step, for as long as it runs'
complete -c pimsync -n "__fish_pimsync_needs_command" -f -a "status" -d 'Show how everything stands: folders, pending changes, the last sync, what needs attention'
complete -c pimsync -n "__fish_pimsync_needs_command" -f -a "folders" -d 'List folders: those that are synchronized, or all public ones'
complete -c pimsync -n "__fish_pimsync_needs_command" -f -a "backup" -d 'Archive the whole identity, above all what is only on this machine'
complete -c pimsync -n "__fish_pimsync_needs_command" -f -a "restore" -d 'Bring an item, a folder or everything back from an archive'
complete -c pimsync -n "__fish_pimsync_needs_command" -f -a "group" -d 'Work on groups of people, which are on this computer only'
complete -c pimsync -n "__fish_pimsync_needs_command" -f -a "send" -d 'Send a message, as sendmail does'
complete -c pimsync -n "__fish_pimsync_needs_command" -f -a "doctor" -d 'Find out what is wrong: try each step that a sync takes, and say which one fails'
complete -c pimsync -n "__fish_pimsync_needs_command" -f -a "demo-server" -d 'Run the embedded Exchange server alone, for any EWS client'
complete -c pimsync -n "__fish_pimsync_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l server -d 'The server: its host, the address of its Outlook on the web, or the URL of its EWS end point; without it, it is looked for (Autodiscover)' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l allow-redirect -d 'Let the password go to this host where the search for the server leads there, though it is not in the address\'s domain; can be repeated' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l user -d 'Who signs in, where that is not the address: often name@domain or DOMAIN\\name' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l auth -d 'How to sign in; auto takes the best that the server offers, and keeps to that' -r -f -a "auto\t'As the server offers: NTLM before Negotiate before Basic'
basic\t'Name and password with each request'
ntlm\t'NTLMv2: the password is proved, not sent'
negotiate\t'NTLMv2 within Negotiate'
oauth2\t'A token that an authority such as Microsoft\'s issues'"
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l client-id -d 'With oauth2: the id under which the program is registered with the authority; for Exchange Online an application that the tenant\'s administrator allows EWS' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l tenant -d 'With oauth2: the tenant of Microsoft\'s that issues the tokens, by its domain or its number; without it, that of who signs in' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l authority -d 'With oauth2: another authority that issues the tokens (OpenID Connect), by its URL' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l grant -d 'With oauth2: how tokens are got; device, if not given' -r -f -a "device\t'A person signs in on any device, with a code that is shown here'
browser\t'A person signs in in a browser on this machine'
application\t'A program signs in for itself, with a secret of its own, and acts for the owner of the mailbox'"
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l scope -d 'With oauth2: what the tokens are to be good for, where that is not EWS on the account\'s server' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l token-command -d 'With oauth2: a command that prints a token, in place of all these; it is run by sh -c, and again when the server refuses what it printed' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l password-command -d 'A command that prints the password, such as "pass show work/mail"; it is run each time, by sh -c' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l password-credential -d 'The name under which the service manager hands the password over (systemd\'s LoadCredential=); this has to run as such a service, too' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l password-file -d 'Read the password from the first line of this file, and store it' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l ca-file -d 'Trust the certificates in this file (PEM), besides those that the system trusts' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l pin -d 'Trust this one certificate of the server, whoever issued it, and no other; its fingerprint is what openssl x509 -fingerprint -sha256 prints' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l client-certificate -d 'Show this certificate to servers that ask for one; the file holds it and its key (PEM)' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l proxy -d 'Go through this proxy, such as http://proxy:8080 or socks5h://127.0.0.1:1080, in place of the environment\'s' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l mailbox -d 'Synchronize this mailbox, too: one that is shared with you, by its address, "archive" for your own archive, or archive:ADDRESS; can be repeated' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l impersonate -d 'Act as the owner of this mailbox, where who signs in may (ApplicationImpersonation)' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l from -d 'Set up the accounts that this file describes, in whichever identities it says, instead of one; what it does not say stays as it is (see pimsync-identity(5))' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l root -d 'Where the identities lie, instead of the platform\'s data folder' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l identity -d 'The identity to work on' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l trace-soap -d 'Write each request and response into a file of this directory, with passwords left out' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l explain -d 'Only tell where the server is looked for and what comes of it; nothing is written'
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l password-stdin -d 'Read the password from the first line of standard input, and store it'
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l check -d 'Only say what would be changed, and whether the sign-in works; nothing is changed'
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l non-interactive -d 'Never ask, but fail if something is missing'
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l no-sync -d 'Leave the first sync out'
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l demo -d 'Set up an account on the embedded server, with a sample mailbox'
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -l json -d 'Print the results as a JSON document (see pimsync-json(5))'
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -s q -l quiet -d 'Say nothing but errors and what needs attention'
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -s v -l verbose -d 'Say more on standard error; twice for even more'
complete -c pimsync -n "__fish_pimsync_using_subcommand setup" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pimsync -n "__fish_pimsync_using_subcommand sync" -l account -d 'Only this account, by its name or its address' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand sync" -l root -d 'Where the identities lie, instead of the platform\'s data folder' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand sync" -l identity -d 'The identity to work on' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand sync" -l trace-soap -d 'Write each request and response into a file of this directory, with passwords left out' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand sync" -l dry-run -d 'Show what would be done, and write nothing anywhere'
complete -c pimsync -n "__fish_pimsync_using_subcommand sync" -l allow-deletes -d 'Carry out deletions that are held back because they are many, or because the identity was restored from a backup'
complete -c pimsync -n "__fish_pimsync_using_subcommand sync" -l full -d 'Compare complete listings of both sides, instead of what they say has changed'
complete -c pimsync -n "__fish_pimsync_using_subcommand sync" -l json -d 'Print the results as a JSON document (see pimsync-json(5))'
complete -c pimsync -n "__fish_pimsync_using_subcommand sync" -s q -l quiet -d 'Say nothing but errors and what needs attention'
complete -c pimsync -n "__fish_pimsync_using_subcommand sync" -s v -l verbose -d 'Say more on standard error; twice for even more'
complete -c pimsync -n "__fish_pimsync_using_subcommand sync" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pimsync -n "__fish_pimsync_using_subcommand watch" -l metrics -d 'Keep numbers for monitoring in this file, in the format of Prometheus\'s textfile collector' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand watch" -l ready-fd -d 'Write a line to this open file descriptor when it is ready' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand watch" -l root -d 'Where the identities lie, instead of the platform\'s data folder' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand watch" -l identity -d 'The identity to work on' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand watch" -l trace-soap -d 'Write each request and response into a file of this directory, with passwords left out' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand watch" -l json -d 'Print each event as a line of JSON (see pimsync-json(5))'
complete -c pimsync -n "__fish_pimsync_using_subcommand watch" -s q -l quiet -d 'Say nothing but errors and what needs attention'
complete -c pimsync -n "__fish_pimsync_using_subcommand watch" -s v -l verbose -d 'Say more on standard error; twice for even more'
complete -c pimsync -n "__fish_pimsync_using_subcommand watch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pimsync -n "__fish_pimsync_using_subcommand status" -l account -d 'Only this account, by its name or its address' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand status" -l max-age -d 'Say nothing but whether the last verified backup is older than that, such as 36h or "2 days": then a line for each target, and exit code 3' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand status" -l target -d 'Only the backups in this directory or bucket, instead of all that were ever made anywhere; can be given several times' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand status" -l root -d 'Where the identities lie, instead of the platform\'s data folder' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand status" -l identity -d 'The identity to work on' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand status" -l trace-soap -d 'Write each request and response into a file of this directory, with passwords left out' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand status" -l json -d 'Print the results as a JSON document (see pimsync-json(5))'
complete -c pimsync -n "__fish_pimsync_using_subcommand status" -s q -l quiet -d 'Say nothing but errors and what needs attention'
complete -c pimsync -n "__fish_pimsync_using_subcommand status" -s v -l verbose -d 'Say more on standard error; twice for even more'
complete -c pimsync -n "__fish_pimsync_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pimsync -n "__fish_pimsync_using_subcommand folders" -l account -d 'Only this account, by its name or its address' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand folders" -l root -d 'Where the identities lie, instead of the platform\'s data folder' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand folders" -l identity -d 'The identity to work on' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand folders" -l trace-soap -d 'Write each request and response into a file of this directory, with passwords left out' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand folders" -l public -d 'Ask the server for all public folders'
complete -c pimsync -n "__fish_pimsync_using_subcommand folders" -l json -d 'Print the results as a JSON document (see pimsync-json(5))'
complete -c pimsync -n "__fish_pimsync_using_subcommand folders" -s q -l quiet -d 'Say nothing but errors and what needs attention'
complete -c pimsync -n "__fish_pimsync_using_subcommand folders" -s v -l verbose -d 'Say more on standard error; twice for even more'
complete -c pimsync -n "__fish_pimsync_using_subcommand folders" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -l to -d 'Put the archive into this directory or s3://BUCKET/PREFIX, instead of the identity\'s Backups; can be given several times' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -l encrypt-to -d 'Encrypt the archive with age for this recipient (age1…), so that only who has its key can read it; can be given several times' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -l keep-last -d 'Keep the newest N archives (or "all")' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -l keep-hourly -d 'Keep the newest archive of each of the newest N hours that have one (or "all")' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -l keep-daily -d 'The same for days' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -l keep-weekly -d 'The same for weeks' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -l keep-monthly -d 'The same for months' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -l keep-yearly -d 'The same for years' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -l database -d 'Archive this directory as it is, instead of an identity\'s; programs that write into it should be closed' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -l outlook-2011 -d 'Archive the Database directory of Outlook for Mac 2011\'s identity NAME; without NAME of the only one there is' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -l name -d 'Call its archives NAME, instead of after the directory that it lies in' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -l stage -d 'Lay everything out in DIR, as it was at one moment, run COMMAND in it, and remove it again; no archive is made' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -l root -d 'Where the identities lie, instead of the platform\'s data folder' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -l identity -d 'The identity to work on' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -l trace-soap -d 'Write each request and response into a file of this directory, with passwords left out' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -l full -d 'Hold everything in the new archive, instead of only what earlier ones in the same target do not hold'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -l verify -d 'Read the new archive back, every byte, and compare it with what was written, as backup verify --read-data does'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -l prune -d 'Then remove archives that newer ones stand in for, as pimsync backup prune does; each --keep option asks for it, too'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -l json -d 'Print the results as a JSON document (see pimsync-json(5))'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -s q -l quiet -d 'Say nothing but errors and what needs attention'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -s v -l verbose -d 'Say more on standard error; twice for even more'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -a "list" -d 'List the archives of the identity'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -a "prune" -d 'Remove archives that newer ones stand in for'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -a "verify" -d 'Verify that an archive is what was written, and that everything comes back out of it'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and not __fish_seen_subcommand_from list prune verify help" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from list" -l from -d 'Look into this directory or s3://BUCKET/PREFIX, instead of the identity\'s Backups' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from list" -l root -d 'Where the identities lie, instead of the platform\'s data folder' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from list" -l identity -d 'The identity to work on' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from list" -l trace-soap -d 'Write each request and response into a file of this directory, with passwords left out' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from list" -l json -d 'Print the results as a JSON document (see pimsync-json(5))'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing but errors and what needs attention'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more on standard error; twice for even more'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from prune" -l from -d 'Look into this directory or s3://BUCKET/PREFIX, instead of the identity\'s Backups' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from prune" -l keep-last -d 'Keep the newest N archives (or "all")' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from prune" -l keep-hourly -d 'Keep the newest archive of each of the newest N hours that have one (or "all")' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from prune" -l keep-daily -d 'The same for days' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from prune" -l keep-weekly -d 'The same for weeks' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from prune" -l keep-monthly -d 'The same for months' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from prune" -l keep-yearly -d 'The same for years' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from prune" -l root -d 'Where the identities lie, instead of the platform\'s data folder' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from prune" -l identity -d 'The identity to work on' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from prune" -l trace-soap -d 'Write each request and response into a file of this directory, with passwords left out' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from prune" -l dry-run -d 'Say what would be removed, and remove nothing'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from prune" -l json -d 'Print the results as a JSON document (see pimsync-json(5))'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from prune" -s q -l quiet -d 'Say nothing but errors and what needs attention'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from prune" -s v -l verbose -d 'Say more on standard error; twice for even more'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from verify" -l from -d 'Look into this directory or s3://BUCKET/PREFIX, instead of the identity\'s Backups' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from verify" -l age-identity -d 'The file with the keys of encrypted archives, as age-keygen writes it; instead of it, PIMSYNC_AGE_IDENTITY can name it' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from verify" -l root -d 'Where the identities lie, instead of the platform\'s data folder' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from verify" -l identity -d 'The identity to work on' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from verify" -l trace-soap -d 'Write each request and response into a file of this directory, with passwords left out' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from verify" -l all -d 'Verify all archives'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from verify" -l read-data -d 'Read every byte, and compare it with what was written'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from verify" -l rehearse -d 'Restore everything into a temporary directory beside the archive (or, when it is in a bucket, in the identity\'s), compare it, and remove it'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from verify" -l json -d 'Print the results as a JSON document (see pimsync-json(5))'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from verify" -s q -l quiet -d 'Say nothing but errors and what needs attention'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from verify" -s v -l verbose -d 'Say more on standard error; twice for even more'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the archives of the identity'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from help" -f -a "prune" -d 'Remove archives that newer ones stand in for'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Verify that an archive is what was written, and that everything comes back out of it'
complete -c pimsync -n "__fish_pimsync_using_subcommand backup; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pimsync -n "__fish_pimsync_using_subcommand restore" -l at -d 'The newest archive that was made at that time or before, such as 2026-11-22 or "2026-11-22 10:30"' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand restore" -l from -d 'Look for the archive in this directory or s3://BUCKET/PREFIX (see pimsync-backup(1)), instead of the identity\'s Backups' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand restore" -l age-identity -d 'The file with the keys of encrypted archives, as age-keygen writes it; instead of it, PIMSYNC_AGE_IDENTITY can name it' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand restore" -l to -d 'Restore into this directory, which must not exist, or be empty' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand restore" -l into -d 'Restore everything as the identity NAME, where what is there is moved aside; or put the selected items back into it' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand restore" -l folder -d 'Only what lies in this folder, such as Inbox/Projects' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand restore" -l item -d 'Only the item with this path or file name; can be given several times' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand restore" -l message-id -d 'Only messages with this Message-ID, or other items with this UID' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand restore" -l since -d 'Only what was not received or changed before that time' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand restore" -l root -d 'Where the identities lie, instead of the platform\'s data folder' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand restore" -l identity -d 'The identity to work on' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand restore" -l trace-soap -d 'Write each request and response into a file of this directory, with passwords left out' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand restore" -l only-local -d 'Only what lies in On My Computer'
complete -c pimsync -n "__fish_pimsync_using_subcommand restore" -l salvage -d 'Bring back all that is whole from an archive that is damaged or cut off'
complete -c pimsync -n "__fish_pimsync_using_subcommand restore" -l list -d 'List the items, and restore nothing'
complete -c pimsync -n "__fish_pimsync_using_subcommand restore" -l dry-run -d 'Say what would be restored, and write nothing'
complete -c pimsync -n "__fish_pimsync_using_subcommand restore" -l json -d 'Print the results as a JSON document (see pimsync-json(5))'
complete -c pimsync -n "__fish_pimsync_using_subcommand restore" -s q -l quiet -d 'Say nothing but errors and what needs attention'
complete -c pimsync -n "__fish_pimsync_using_subcommand restore" -s v -l verbose -d 'Say more on standard error; twice for even more'
complete -c pimsync -n "__fish_pimsync_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and not __fish_seen_subcommand_from list show create add remove rename delete expand import help" -l root -d 'Where the identities lie, instead of the platform\'s data folder' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and not __fish_seen_subcommand_from list show create add remove rename delete expand import help" -l identity -d 'The identity to work on' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and not __fish_seen_subcommand_from list show create add remove rename delete expand import help" -l trace-soap -d 'Write each request and response into a file of this directory, with passwords left out' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and not __fish_seen_subcommand_from list show create add remove rename delete expand import help" -s q -l quiet -d 'Say nothing but errors and what needs attention'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and not __fish_seen_subcommand_from list show create add remove rename delete expand import help" -s v -l verbose -d 'Say more on standard error; twice for even more'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and not __fish_seen_subcommand_from list show create add remove rename delete expand import help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and not __fish_seen_subcommand_from list show create add remove rename delete expand import help" -f -a "list" -d 'List the groups'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and not __fish_seen_subcommand_from list show create add remove rename delete expand import help" -f -a "show" -d 'Show the members of a group'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and not __fish_seen_subcommand_from list show create add remove rename delete expand import help" -f -a "create" -d 'Make a new group'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and not __fish_seen_subcommand_from list show create add remove rename delete expand import help" -f -a "add" -d 'Add members to a group'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and not __fish_seen_subcommand_from list show create add remove rename delete expand import help" -f -a "remove" -d 'Remove members from a group'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and not __fish_seen_subcommand_from list show create add remove rename delete expand import help" -f -a "rename" -d 'Give a group another name'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and not __fish_seen_subcommand_from list show create add remove rename delete expand import help" -f -a "delete" -d 'Delete a group; contacts stay'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and not __fish_seen_subcommand_from list show create add remove rename delete expand import help" -f -a "expand" -d 'Print the addresses of a group, one a line'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and not __fish_seen_subcommand_from list show create add remove rename delete expand import help" -f -a "import" -d 'Copy the members that a distribution list of the server has now into a new group'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and not __fish_seen_subcommand_from list show create add remove rename delete expand import help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from list" -l root -d 'Where the identities lie, instead of the platform\'s data folder' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from list" -l identity -d 'The identity to work on' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from list" -l trace-soap -d 'Write each request and response into a file of this directory, with passwords left out' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from list" -l json -d 'Print the results as a JSON document (see pimsync-json(5))'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing but errors and what needs attention'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more on standard error; twice for even more'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from show" -l root -d 'Where the identities lie, instead of the platform\'s data folder' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from show" -l identity -d 'The identity to work on' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from show" -l trace-soap -d 'Write each request and response into a file of this directory, with passwords left out' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from show" -l json -d 'Print the results as a JSON document (see pimsync-json(5))'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Say nothing but errors and what needs attention'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more on standard error; twice for even more'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from create" -l root -d 'Where the identities lie, instead of the platform\'s data folder' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from create" -l identity -d 'The identity to work on' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from create" -l trace-soap -d 'Write each request and response into a file of this directory, with passwords left out' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from create" -l dry-run -d 'Say what would be done, and write nothing'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from create" -l json -d 'Print the results as a JSON document (see pimsync-json(5))'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Say nothing but errors and what needs attention'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from create" -s v -l verbose -d 'Say more on standard error; twice for even more'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from add" -l root -d 'Where the identities lie, instead of the platform\'s data folder' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from add" -l identity -d 'The identity to work on' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from add" -l trace-soap -d 'Write each request and response into a file of this directory, with passwords left out' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from add" -l dry-run -d 'Say what would be done, and write nothing'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from add" -l json -d 'Print the results as a JSON document (see pimsync-json(5))'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from add" -s q -l quiet -d 'Say nothing but errors and what needs attention'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from add" -s v -l verbose -d 'Say more on standard error; twice for even more'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from remove" -l root -d 'Where the identities lie, instead of the platform\'s data folder' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from remove" -l identity -d 'The identity to work on' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from remove" -l trace-soap -d 'Write each request and response into a file of this directory, with passwords left out' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from remove" -l dry-run -d 'Say what would be done, and write nothing'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from remove" -l json -d 'Print the results as a JSON document (see pimsync-json(5))'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from remove" -s q -l quiet -d 'Say nothing but errors and what needs attention'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from remove" -s v -l verbose -d 'Say more on standard error; twice for even more'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from rename" -l root -d 'Where the identities lie, instead of the platform\'s data folder' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from rename" -l identity -d 'The identity to work on' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from rename" -l trace-soap -d 'Write each request and response into a file of this directory, with passwords left out' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from rename" -l dry-run -d 'Say what would be done, and write nothing'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from rename" -l json -d 'Print the results as a JSON document (see pimsync-json(5))'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from rename" -s q -l quiet -d 'Say nothing but errors and what needs attention'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from rename" -s v -l verbose -d 'Say more on standard error; twice for even more'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from rename" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from delete" -l root -d 'Where the identities lie, instead of the platform\'s data folder' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from delete" -l identity -d 'The identity to work on' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from delete" -l trace-soap -d 'Write each request and response into a file of this directory, with passwords left out' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from delete" -l dry-run -d 'Say what would be done, and write nothing'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from delete" -l json -d 'Print the results as a JSON document (see pimsync-json(5))'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from delete" -s q -l quiet -d 'Say nothing but errors and what needs attention'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from delete" -s v -l verbose -d 'Say more on standard error; twice for even more'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from expand" -l format -d 'What to print' -r -f -a "addresses\t'The addresses of all of the groups, one a line'
mutt\t'An alias of mutt or neomutt for each group that reaches anybody; source the file'"
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from expand" -l root -d 'Where the identities lie, instead of the platform\'s data folder' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from expand" -l identity -d 'The identity to work on' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from expand" -l trace-soap -d 'Write each request and response into a file of this directory, with passwords left out' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from expand" -l json -d 'Print the results as a JSON document (see pimsync-json(5))'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from expand" -s q -l quiet -d 'Say nothing but errors and what needs attention'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from expand" -s v -l verbose -d 'Say more on standard error; twice for even more'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from expand" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from import" -l name -d 'The name of the group, instead of the list\'s' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from import" -l account -d 'The account on whose server the list is; needed where the identity has several' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from import" -l root -d 'Where the identities lie, instead of the platform\'s data folder' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from import" -l identity -d 'The identity to work on' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from import" -l trace-soap -d 'Write each request and response into a file of this directory, with passwords left out' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from import" -l dry-run -d 'Say what would be done, and write nothing'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from import" -l json -d 'Print the results as a JSON document (see pimsync-json(5))'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from import" -s q -l quiet -d 'Say nothing but errors and what needs attention'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from import" -s v -l verbose -d 'Say more on standard error; twice for even more'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the groups'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show the members of a group'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from help" -f -a "create" -d 'Make a new group'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from help" -f -a "add" -d 'Add members to a group'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Remove members from a group'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from help" -f -a "rename" -d 'Give a group another name'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from help" -f -a "delete" -d 'Delete a group; contacts stay'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from help" -f -a "expand" -d 'Print the addresses of a group, one a line'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from help" -f -a "import" -d 'Copy the members that a distribution list of the server has now into a new group'
complete -c pimsync -n "__fish_pimsync_using_subcommand group; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pimsync -n "__fish_pimsync_using_subcommand send" -s f -d 'The sender\'s address: says which account sends it' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand send" -l account -d 'The account that sends it, by its name or its address; else that of -f, of From, or the first' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand send" -s o -d 'Options of sendmail: -oi, and others that mean nothing here' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand send" -s F -d 'The sender\'s name; From says it' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand send" -s B -d 'The kind of body; it is sent as it is' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand send" -s b -d 'Only -bm, to read a message' -r -f -a "m\t''"
complete -c pimsync -n "__fish_pimsync_using_subcommand send" -l root -d 'Where the identities lie, instead of the platform\'s data folder' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand send" -l identity -d 'The identity to work on' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand send" -l trace-soap -d 'Write each request and response into a file of this directory, with passwords left out' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand send" -s t -d 'Read the recipients from To, Cc and Bcc; those on the command line get it, too'
complete -c pimsync -n "__fish_pimsync_using_subcommand send" -s i -d 'A line with a single dot does not end the message; -oi means the same'
complete -c pimsync -n "__fish_pimsync_using_subcommand send" -l retry -d 'Send what is kept, also what the server refused, instead of reading a message'
complete -c pimsync -n "__fish_pimsync_using_subcommand send" -s q -l quiet -d 'Say nothing but errors and what needs attention'
complete -c pimsync -n "__fish_pimsync_using_subcommand send" -s v -l verbose -d 'Say more on standard error; twice for even more'
complete -c pimsync -n "__fish_pimsync_using_subcommand send" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pimsync -n "__fish_pimsync_using_subcommand doctor" -l account -d 'Only this account, by its name or its address' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand doctor" -l root -d 'Where the identities lie, instead of the platform\'s data folder' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand doctor" -l identity -d 'The identity to work on' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand doctor" -l trace-soap -d 'Write each request and response into a file of this directory, with passwords left out' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand doctor" -l json -d 'Print the results as a JSON document (see pimsync-json(5))'
complete -c pimsync -n "__fish_pimsync_using_subcommand doctor" -s q -l quiet -d 'Say nothing but errors and what needs attention'
complete -c pimsync -n "__fish_pimsync_using_subcommand doctor" -s v -l verbose -d 'Say more on standard error; twice for even more'
complete -c pimsync -n "__fish_pimsync_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pimsync -n "__fish_pimsync_using_subcommand demo-server" -l listen -d 'Where to listen; port 0 takes any free one' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand demo-server" -l store -d 'Keep the mailboxes in this database file' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand demo-server" -l messages -d 'Put this many sample messages into each new mailbox' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand demo-server" -l latency -d 'Hold every answer back for so long, such as 40ms or 1s' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand demo-server" -l users -d 'The mailboxes\' addresses; each one\'s password is "demo" unless given as ADDRESS:PASSWORD' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand demo-server" -l share -d 'Let one user work in another\'s mailbox: OWNER:USER:ROLE, with a role of owner, editor, poster, reviewer or visitor; can be repeated' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand demo-server" -l impersonators -d 'Let these users act as the owner of any mailbox (ApplicationImpersonation)' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand demo-server" -l archives -d 'Give these users an archive' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand demo-server" -l faults -d 'Misbehave as this file of rules tells' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand demo-server" -l like -d 'Whose behaviour to show' -r -f -a "exchange\t'Microsoft Exchange 2019'
gromox\t'gromox, with its own ideas of faults, paging and change keys'"
complete -c pimsync -n "__fish_pimsync_using_subcommand demo-server" -l auth -d 'How one can sign in' -r -f -a "basic\t'Name and password with each request'
ntlm\t'NTLMv2 on each connection'
negotiate\t'The same within SPNEGO'"
complete -c pimsync -n "__fish_pimsync_using_subcommand demo-server" -l record -d 'Write the body of every request and response into this folder' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand demo-server" -l root -d 'Where the identities lie, instead of the platform\'s data folder' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand demo-server" -l identity -d 'The identity to work on' -r
complete -c pimsync -n "__fish_pimsync_using_subcommand demo-server" -l trace-soap -d 'Write each request and response into a file of this directory, with passwords left out' -r -F
complete -c pimsync -n "__fish_pimsync_using_subcommand demo-server" -s q -l quiet -d 'Say nothing but errors and what needs attention'
complete -c pimsync -n "__fish_pimsync_using_subcommand demo-server" -s v -l verbose -d 'Say more on standard error; twice for even more'
complete -c pimsync -n "__fish_pimsync_using_subcommand demo-server" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pimsync -n "__fish_pimsync_using_subcommand help; and not __fish_seen_subcommand_from setup sync watch status folders backup restore group send doctor demo-server help" -f -a "setup" -d 'Set an account up, and synchronize it for the first time'
complete -c pimsync -n "__fish_pimsync_using_subcommand help; and not __fish_seen_subcommand_from setup sync watch status folders backup restore group send doctor demo-server help" -f -a "sync" -d 'Bring the server and the directory in step'
complete -c pimsync -n "__fish_pimsync_using_subcommand help; and not __fish_seen_subcommand_from setup sync watch status folders backup restore group send doctor demo-server help" -f -a "watch" -d 'Keep the server and the directory in step, for as long as it runs'
complete -c pimsync -n "__fish_pimsync_using_subcommand help; and not __fish_seen_subcommand_from setup sync watch status folders backup restore group send doctor demo-server help" -f -a "status" -d 'Show how everything stands: folders, pending changes, the last sync, what needs attention'
complete -c pimsync -n "__fish_pimsync_using_subcommand help; and not __fish_seen_subcommand_from setup sync watch status folders backup restore group send doctor demo-server help" -f -a "folders" -d 'List folders: those that are synchronized, or all public ones'
complete -c pimsync -n "__fish_pimsync_using_subcommand help; and not __fish_seen_subcommand_from setup sync watch status folders backup restore group send doctor demo-server help" -f -a "backup" -d 'Archive the whole identity, above all what is only on this machine'
complete -c pimsync -n "__fish_pimsync_using_subcommand help; and not __fish_seen_subcommand_from setup sync watch status folders backup restore group send doctor demo-server help" -f -a "restore" -d 'Bring an item, a folder or everything back from an archive'
complete -c pimsync -n "__fish_pimsync_using_subcommand help; and not __fish_seen_subcommand_from setup sync watch status folders backup restore group send doctor demo-server help" -f -a "group" -d 'Work on groups of people, which are on this computer only'
complete -c pimsync -n "__fish_pimsync_using_subcommand help; and not __fish_seen_subcommand_from setup sync watch status folders backup restore group send doctor demo-server help" -f -a "send" -d 'Send a message, as sendmail does'
complete -c pimsync -n "__fish_pimsync_using_subcommand help; and not __fish_seen_subcommand_from setup sync watch status folders backup restore group send doctor demo-server help" -f -a "doctor" -d 'Find out what is wrong: try each step that a sync takes, and say which one fails'
complete -c pimsync -n "__fish_pimsync_using_subcommand help; and not __fish_seen_subcommand_from setup sync watch status folders backup restore group send doctor demo-server help" -f -a "demo-server" -d 'Run the embedded Exchange server alone, for any EWS client'
complete -c pimsync -n "__fish_pimsync_using_subcommand help; and not __fish_seen_subcommand_from setup sync watch status folders backup restore group send doctor demo-server help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pimsync -n "__fish_pimsync_using_subcommand help; and __fish_seen_subcommand_from backup" -f -a "list" -d 'List the archives of the identity'
complete -c pimsync -n "__fish_pimsync_using_subcommand help; and __fish_seen_subcommand_from backup" -f -a "prune" -d 'Remove archives that newer ones stand in for'
complete -c pimsync -n "__fish_pimsync_using_subcommand help; and __fish_seen_subcommand_from backup" -f -a "verify" -d 'Verify that an archive is what was written, and that everything comes back out of it'
complete -c pimsync -n "__fish_pimsync_using_subcommand help; and __fish_seen_subcommand_from group" -f -a "list" -d 'List the groups'
complete -c pimsync -n "__fish_pimsync_using_subcommand help; and __fish_seen_subcommand_from group" -f -a "show" -d 'Show the members of a group'
complete -c pimsync -n "__fish_pimsync_using_subcommand help; and __fish_seen_subcommand_from group" -f -a "create" -d 'Make a new group'
complete -c pimsync -n "__fish_pimsync_using_subcommand help; and __fish_seen_subcommand_from group" -f -a "add" -d 'Add members to a group'
complete -c pimsync -n "__fish_pimsync_using_subcommand help; and __fish_seen_subcommand_from group" -f -a "remove" -d 'Remove members from a group'
complete -c pimsync -n "__fish_pimsync_using_subcommand help; and __fish_seen_subcommand_from group" -f -a "rename" -d 'Give a group another name'
complete -c pimsync -n "__fish_pimsync_using_subcommand help; and __fish_seen_subcommand_from group" -f -a "delete" -d 'Delete a group; contacts stay'
complete -c pimsync -n "__fish_pimsync_using_subcommand help; and __fish_seen_subcommand_from group" -f -a "expand" -d 'Print the addresses of a group, one a line'
complete -c pimsync -n "__fish_pimsync_using_subcommand help; and __fish_seen_subcommand_from group" -f -a "import" -d 'Copy the members that a distribution list of the server has now into a new group'
