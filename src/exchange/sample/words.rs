//! What the letters are made of.

/// How letters of one language sound.
#[derive(Debug)]
pub(super) struct Language {
    /// The charset that its older programs prefer.
    pub(super) charset: &'static str,
    pub(super) opening: &'static str,
    pub(super) greeting: &'static str,
    pub(super) closing: &'static str,
    pub(super) sentences: &'static [&'static str],
}

/// Names and addresses.
pub(super) const PEOPLE: &[(&str, &str)] = &[
    ("Ada Brandt", "ada.brandt@example.com"),
    ("Jörg Weiß", "joerg@harbour.example.net"),
    ("Мария Орлова", "orlova@example.ru"),
    ("O'Neill, Sean", "sean.oneill@example.ie"),
    ("Chloé Lefèvre", "chloe.lefevre@example.fr"),
    ("田中 花子", "hanako@example.jp"),
    ("Build Service", "noreply@builds.example.org"),
    ("Library Committee", "committee@library.example.org"),
    ("Tom", "tom@example.com"),
    ("Anna-Lena Übermaß", "al@example.de"),
];

/// What the letters are about.
pub(super) const TOPICS: &[&str] = &[
    "quay wall, second survey",
    "minutes of Tuesday",
    "Lesesaal: Öffnungszeiten",
    "invoice 2204",
    "train tickets",
    "the crane",
    "Смета",
    "réunion de chantier",
    "weekly digest",
    "figures for March",
    "Plan B",
    "photographs",
    "会議の件",
    "lost umbrella",
    "draft contract (v3)",
];

/// The languages.
pub(super) const LANGUAGES: &[Language] = &[
    Language {
        charset: "us-ascii",
        opening: "About",
        greeting: "Dear all",
        closing: "Best wishes",
        sentences: &[
            "The survey of the quay wall was finished on Friday, two days later than planned.",
            "Please have a look at the figures before we meet again.",
            "I could not find the drawing that you mentioned; was it in the other folder?",
            "The contractor asks for another week, and I think that we should agree.",
            "Nothing new from the ministry.",
            "If nobody objects until Thursday, I shall send it as it is.",
            "From the office one can see the cranes turn, and hear them too.",
            "The numbers in the second column are in thousands.",
        ],
    },
    Language {
        charset: "iso-8859-1",
        opening: "Wegen",
        greeting: "Liebe Kolleginnen und Kollegen",
        closing: "Viele Grüße",
        sentences: &[
            "Die Vermessung der Kaimauer wurde am Freitag abgeschlossen, zwei Tage später als geplant.",
            "Könnten Sie bitte die Zahlen prüfen, bevor wir uns wieder treffen?",
            "Über die Öffnungszeiten des Lesesaals müssen wir noch sprechen.",
            "Der Bauunternehmer bittet um eine weitere Woche.",
            "Größere Änderungen erwarte ich nicht mehr.",
            "Anbei das Protokoll; Ergänzungen bitte bis Donnerstag.",
        ],
    },
    Language {
        charset: "iso-8859-1",
        opening: "Objet :",
        greeting: "Bonjour à tous",
        closing: "Bien à vous",
        sentences: &[
            "Le relevé du quai a été terminé vendredi, avec deux jours de retard.",
            "Merci de vérifier les chiffres avant la prochaine réunion.",
            "L'entrepreneur demande une semaine de plus ; je suis d'avis d'accepter.",
            "Rien de nouveau du côté du ministère.",
            "La grue sera démontée à la mi-août.",
        ],
    },
    Language {
        charset: "windows-1251",
        opening: "Ответ:",
        greeting: "Добрый день",
        closing: "С уважением",
        sentences: &[
            "Съемка набережной закончена в пятницу, на два дня позже срока.",
            "Прошу проверить цифры до следующей встречи.",
            "Подрядчик просит еще неделю.",
            "Смета приложена к письму.",
        ],
    },
    Language {
        charset: "utf-8",
        opening: "件名:",
        greeting: "皆様",
        closing: "よろしくお願いいたします",
        sentences: &[
            "金曜日に岸壁の測量が終わりました。",
            "次の会議の前に数字をご確認ください。",
            "業者はもう一週間欲しいと言っています。",
            "図面を添付いたします。",
        ],
    },
];
