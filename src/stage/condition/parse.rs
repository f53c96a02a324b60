//! The parser of conditions: words with their places, then recursive descent.

use super::{Expression, Operand, Operator};
use crate::stage::size;

/// Nesting of parentheses and `!` beyond which a condition is refused, so that it cannot use up the stack.
const DEEPEST: usize = 32;

/// Bytes beyond which a condition is refused.
const LONGEST: usize = 2000;

/// A condition that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("in this condition, at character {}: {message}", .offset + 1)]
pub struct ConditionError {
    /// Byte of the condition's text at which it stops making sense.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right; empty where that depends.
    pub allowed: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Operand(Operand),
    Operator(Operator),
    In,
    Not,
    And,
    Or,
    Open,
    Close,
}

pub(super) fn parse(text: &str) -> Result<Expression, ConditionError> {
    if text.len() > LONGEST {
        return fail(LONGEST, "it is longer than 2000 bytes");
    }
    let tokens = words(text)?;
    let mut parser = Parser {
        tokens: &tokens,
        next: 0,
        end: text.len(),
    };
    let expression = parser.any(0)?;
    if parser.peek().is_some() {
        return fail(parser.offset(), "expected `&&`, `||` or the end");
    }
    Ok(expression)
}

fn fail<T>(offset: usize, message: impl Into<String>) -> Result<T, ConditionError> {
    Err(ConditionError {
        offset,
        message: message.into(),
        allowed: vec![],
    })
}

fn words(text: &str) -> Result<Vec<(usize, Token)>, ConditionError> {
    const SIGNS: [(&str, Token); 11] = [
        ("&&", Token::And),
        ("||", Token::Or),
        ("==", Token::Operator(Operator::Equal)),
        ("!=", Token::Operator(Operator::Unequal)),
        ("<=", Token::Operator(Operator::LessOrEqual)),
        (">=", Token::Operator(Operator::GreaterOrEqual)),
        ("<", Token::Operator(Operator::Less)),
        (">", Token::Operator(Operator::Greater)),
        ("!", Token::Not),
        ("(", Token::Open),
        (")", Token::Close),
    ];
    let mut tokens = vec![];
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let offset = text.len() - rest.len();
        let (token, after) =
            if let Some((sign, token)) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
                (token.clone(), rest.get(sign.len()..).unwrap_or_default())
            } else if matches!(first, '"' | '\'') {
                quoted(rest, first, offset)?
            } else if first.is_ascii_alphanumeric() {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.' && c != '-');
                let (word, after) = rest
                    .split_at_checked(end.unwrap_or(rest.len()))
                    .unwrap_or((rest, ""));
                (bare(word, offset)?, after)
            } else {
                let hint = match first {
                    '=' => "write `==`",
                    '&' => "write `&&`",
                    '|' => "write `||`",
                    _ => "expected a value or an operator",
                };
                return fail(offset, hint);
            };
        tokens.push((offset, token));
        rest = after.trim_start();
    }
    Ok(tokens)
}

/// A text between quotes; there are no escapes, a `"` is written as `'"'`.
fn quoted(rest: &str, quote: char, offset: usize) -> Result<(Token, &str), ConditionError> {
    let inner = rest.get(1..).unwrap_or_default();
    match inner.split_once(quote) {
        Some((text, after)) => Ok((Token::Operand(Operand::Text(text.into())), after)),
        None => fail(offset, format!("this text has no closing {quote}")),
    }
}

/// A reference, a keyword or a number.
fn bare(word: &str, offset: usize) -> Result<Token, ConditionError> {
    let operand = match word.split_once('.') {
        _ if word.starts_with(|c: char| c.is_ascii_digit()) => match size::parse(word) {
            Ok(number) => Operand::Number(number),
            Err(error) => return fail(offset, error.to_string()),
        },
        None => match word {
            "in" => return Ok(Token::In),
            "true" => Operand::Bool(true),
            "false" => Operand::Bool(false),
            _ => return unknown(word, offset),
        },
        Some(("image", "family")) => Operand::ImageFamily,
        Some(("image", "id")) => Operand::ImageId,
        Some(("image", field)) => {
            return Err(ConditionError {
                offset,
                message: format!("an image has no `{field}`"),
                allowed: vec!["image.family".into(), "image.id".into()],
            });
        }
        Some(("host", name)) if is_name(name) => Operand::Host(name.into()),
        Some(("option", name)) if is_name(name) => Operand::Option(name.into()),
        Some(("host" | "option", name)) => {
            return fail(
                offset,
                format!("`{name}` is not a name: small letters, digits and _"),
            );
        }
        Some(_) => return unknown(word, offset),
    };
    Ok(Token::Operand(operand))
}

fn unknown<T>(word: &str, offset: usize) -> Result<T, ConditionError> {
    Err(ConditionError {
        offset,
        message: format!("unknown word `{word}`; a text stands in quotes"),
        allowed: [
            "host.FACT",
            "option.ID",
            "image.family",
            "image.id",
            "true",
            "false",
            "in",
        ]
        .map(Into::into)
        .to_vec(),
    })
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

struct Parser<'t> {
    tokens: &'t [(usize, Token)],
    next: usize,
    end: usize,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<&'t Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn offset(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(offset, _)| *offset)
    }

    fn take(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.next += usize::from(found);
        found
    }

    fn any(&mut self, depth: usize) -> Result<Expression, ConditionError> {
        let first = self.all(depth)?;
        let mut parts = vec![first];
        while self.take(&Token::Or) {
            parts.push(self.all(depth)?);
        }
        Ok(only(parts, Expression::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Expression, ConditionError> {
        let first = self.unary(depth)?;
        let mut parts = vec![first];
        while self.take(&Token::And) {
            parts.push(self.unary(depth)?);
        }
        Ok(only(parts, Expression::All))
    }

    fn unary(&mut self, depth: usize) -> Result<Expression, ConditionError> {
        if depth > DEEPEST {
            return fail(self.offset(), "it is nested too deep");
        }
        if self.take(&Token::Not) {
            let part = self.unary(depth + 1)?;
            if matches!(part, Expression::Compare(..) | Expression::Contains(..)) && !self.closed() {
                return fail(self.offset(), "put what `!` negates in parentheses: `!(a == b)`");
            }
            return Ok(Expression::Not(Box::new(part)));
        }
        if self.take(&Token::Open) {
            let inner = self.any(depth + 1)?;
            if !self.take(&Token::Close) {
                return fail(self.offset(), "expected `)`");
            }
            return Ok(inner);
        }
        self.comparison()
    }

    /// Whether the last token taken was a closing parenthesis.
    fn closed(&self) -> bool {
        let last = self.next.checked_sub(1).and_then(|last| self.tokens.get(last));
        matches!(last, Some((_, Token::Close)))
    }

    fn comparison(&mut self) -> Result<Expression, ConditionError> {
        let start = self.offset();
        let left = self.operand()?;
        if let Some(Token::Operator(operator)) = self.peek() {
            self.next += 1;
            return Ok(Expression::Compare(left, *operator, self.operand()?));
        }
        if self.take(&Token::In) {
            let Operand::Text(word) = left else {
                return fail(start, "before `in` stands a text: `\"x\" in option.ID`");
            };
            let place = self.offset();
            let Operand::Option(option) = self.operand()? else {
                return fail(place, "after `in` stands an option: `\"x\" in option.ID`");
            };
            return Ok(Expression::Contains(word, option));
        }
        if matches!(left, Operand::Text(_) | Operand::Number(_)) {
            return fail(
                self.offset(),
                "expected `==` or another comparison after this value",
            );
        }
        Ok(Expression::Holds(left))
    }

    fn operand(&mut self) -> Result<Operand, ConditionError> {
        let offset = self.offset();
        match self.peek() {
            Some(Token::Operand(operand)) => {
                self.next += 1;
                Ok(operand.clone())
            }
            _ => fail(
                offset,
                "expected host.FACT, option.ID, image.family, image.id, a text or a number",
            ),
        }
    }
}

fn only(mut parts: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match (parts.pop(), parts.is_empty()) {
        (Some(part), true) => part,
        (Some(part), false) => {
            parts.push(part);
            many(parts)
        }
        (None, _) => many(parts),
    }
}
