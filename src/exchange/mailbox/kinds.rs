//! Items of every kind from within: made, changed and told by the elements by which clients know them.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::super::Error;
use super::super::faults::Faults;
use super::super::ids::Ids;
use super::super::ops::{self, Access, Context};
use super::super::soap::Refusal;
use super::super::store::{self, Configuration};
use super::super::subscriptions::Subscriptions;
use super::super::xml::{self, Element, TYPES};
use super::super::zones::Zone;
use super::Mailbox;

/// The name of the configuration that holds the master list of categories.
const CATEGORY_LIST: &str = "CategoryList";

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        Error::Refused(format!("{}: {}", refusal.code, refusal.text))
    }
}

impl Mailbox {
    /// Puts an item into a folder (a path or an id); answers its ItemId. It is told by its element, such as
    /// `<t:Contact><t:GivenName>Ada</t:GivenName></t:Contact>`, and made as CreateItem makes it; nobody is told.
    pub fn add_item(&self, folder: &str, element: &str) -> Result<String, Error> {
        let element = one(elements(element)?)?;
        self.change_in(|context, db| {
            let folder = self.find_folder(db, folder)?;
            let new = ops::build(&context.maker(), &element)?;
            let item = store::insert_item(db, self.row.id, folder.id, new)?;
            Ok(context.item_id(&item))
        })
    }

    /// Sets properties of an item or an occurrence, told by their elements, such as `<t:Location>Hall</t:Location>`, as
    /// UpdateItem sets them; answers the ChangeKey.
    pub fn set_fields(&self, id: &str, fields: &str) -> Result<String, Error> {
        let updates: Vec<Element> = elements(fields)?.into_iter().map(set).collect();
        self.update(id, &updates)
    }

    /// Clears properties of an item or an occurrence, told by the names of their elements; answers the ChangeKey.
    pub fn clear_fields(&self, id: &str, names: &[&str]) -> Result<String, Error> {
        let updates: Vec<Element> = names.iter().map(|name| holder("DeleteItemField", vec![path(name)])).collect();
        self.update(id, &updates)
    }

    fn update(&self, id: &str, updates: &[Element]) -> Result<String, Error> {
        self.change_in(|context, db| {
            let item = context.item_of(db, id)?;
            let item = ops::change_item(context, db, item, updates)?;
            Ok(context.change_key(&item))
        })
    }

    /// The id of an occurrence of a series, by its number from 1 on.
    pub fn occurrence(&self, series: &str, number: i64) -> Result<String, Error> {
        self.change_in(|context, db| {
            let master = context.item_of(db, series)?;
            Ok(context.item_id(&ops::nth_occurrence(db, &master, number)?))
        })
    }

    /// Deletes an occurrence from its series.
    pub fn delete_occurrence(&self, id: &str) -> Result<(), Error> {
        self.change_in(|context, db| {
            let item = context.item_of(db, id)?;
            Ok(ops::delete_occurrence(context, db, &item)?)
        })
    }

    /// All properties of an item or an occurrence, as GetItem answers them.
    pub fn item_xml(&self, id: &str) -> Result<String, Error> {
        self.change_in(|context, db| {
            let item = context.item_of(db, id)?;
            Ok(ops::all_properties(context, db, &item)?)
        })
    }

    /// Gives a contact another picture, or none; answers the ChangeKey.
    pub fn set_picture(&self, id: &str, picture: Option<&[u8]>) -> Result<String, Error> {
        self.change_in(|context, db| {
            let mut item = context.item_of(db, id)?;
            ops::set_picture(context, db, &mut item, picture)?;
            Ok(context.change_key(&item))
        })
    }

    /// The master list of categories, as its XML; none when there is none.
    pub fn category_list(&self) -> Result<Option<String>, Error> {
        let db = self.store.read();
        let calendar = self.calendar(&db)?;
        let list = store::get_configuration(&db, calendar, CATEGORY_LIST)?.and_then(|list| list.xml);
        Ok(list.map(|xml| String::from_utf8_lossy(&xml).into_owned()))
    }

    /// Replaces the master list of categories.
    pub fn set_category_list(&self, xml: &str) -> Result<(), Error> {
        self.store.write(|db| {
            let list = Configuration { xml: Some(xml.as_bytes().to_vec()), ..Configuration::default() };
            Ok(store::put_configuration(db, self.row.id, self.calendar(db)?, CATEGORY_LIST, &list)?)
        })
    }

    fn calendar(&self, db: &Connection) -> Result<i64, Error> {
        let calendar = store::distinguished_folder(db, self.row.id, "calendar")?;
        calendar.map(|folder| folder.id).ok_or_else(|| Error::NotFound("calendar".to_owned()))
    }

    fn change_in<T>(&self, act: impl FnOnce(&Context<'_>, &Connection) -> Result<T, Error>) -> Result<T, Error> {
        let context = Context {
            store: &self.store,
            mailbox: &self.row,
            access: &Access::default(),
            ids: Ids::new(&self.row.guid),
            like: self.like,
            zone: Zone::utc(),
            operation: "",
            faults: &Faults::default(),
            lists: &[],
            actions: &[],
            subscriptions: &Arc::new(Subscriptions::new(Duration::ZERO)),
            plan: &OnceCell::new(),
        };
        self.store.write(|db| act(&context, db))
    }
}

fn elements(xml: &str) -> Result<Vec<Element>, Error> {
    let tree = xml::parse(&format!("<t:Items xmlns:t=\"{TYPES}\">{xml}</t:Items>"));
    tree.map(|tree| tree.children).map_err(|malformed| Error::Refused(malformed.reason))
}

fn one(mut elements: Vec<Element>) -> Result<Element, Error> {
    elements.pop().filter(|_| elements.is_empty()).ok_or_else(|| Error::Refused("this is not one item".to_owned()))
}

fn holder(name: &str, children: Vec<Element>) -> Element {
    Element { children, ..Element::leaf(name, "") }
}

fn path(name: &str) -> Element {
    let uri = ("FieldURI".to_owned(), format!("item:{name}"));
    Element { attributes: vec![uri], ..Element::leaf("FieldURI", "") }
}

fn set(field: Element) -> Element {
    let path = path(&field.name);
    holder("SetItemField", vec![path, holder("Item", vec![field])])
}
