//! What a request wants to see of items and folders.

use super::super::props::PropertyPath;
use super::super::soap::Refusal;
use super::super::xml::Element;

/// The properties that come without being named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    IdOnly,
    Default,
    All,
}

/// In which form a body is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyType {
    Best,
    Html,
    Text,
}

/// A response shape.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) base: Base,
    pub(super) mime: bool,
    pub(super) body: BodyType,
    /// Elements asked for by name.
    pub(super) fields: Vec<String>,
    pub(super) extended: Vec<PropertyPath>,
}

impl Shape {
    /// The shape that shows only ids.
    pub(super) fn id_only() -> Shape {
        Shape { base: Base::IdOnly, mime: false, body: BodyType::Best, fields: Vec::new(), extended: Vec::new() }
    }

    /// Reads an ItemShape, FolderShape or AttachmentShape.
    pub(super) fn read(element: Option<&Element>) -> Result<Shape, Refusal> {
        let Some(element) = element else { return Ok(Shape::id_only()) };
        let mut shape = Shape::id_only();
        shape.base = match element.child_text("BaseShape") {
            Some("AllProperties") => Base::All,
            Some("Default") => Base::Default,
            _ => Base::IdOnly,
        };
        shape.mime = element.child_text("IncludeMimeContent").is_some_and(super::is_true);
        shape.body = match element.child_text("BodyType") {
            Some("Text") => BodyType::Text,
            Some("HTML") => BodyType::Html,
            _ => BodyType::Best,
        };
        for path in element.list("AdditionalProperties") {
            if path.name == "ExtendedFieldURI" {
                let path = PropertyPath::read(path).ok_or_else(|| Refusal::new("ErrorInvalidExtendedProperty"))?;
                shape.extended.push(path);
            } else {
                let name = element_of(path.attribute("FieldURI").unwrap_or_default());
                shape.mime |= name == "MimeContent";
                shape.fields.push(name.to_owned());
            }
        }
        Ok(shape)
    }

    /// Whether this element is asked for by name.
    pub(super) fn names(&self, element: &str) -> bool {
        self.fields.iter().any(|field| field == element)
    }
}

/// The element that a FieldURI is about: `item:Subject` → `Subject`, `contacts:PhysicalAddress:City` → the whole list.
pub(super) fn element_of(uri: &str) -> &str {
    let name = uri.split(':').nth(1).unwrap_or(uri);
    match name {
        "PhysicalAddress" => "PhysicalAddresses",
        "EmailAddress" => "EmailAddresses",
        "PhoneNumber" => "PhoneNumbers",
        "ImAddress" => "ImAddresses",
        "InternetMessageHeader" => "InternetMessageHeaders",
        other => other,
    }
}
