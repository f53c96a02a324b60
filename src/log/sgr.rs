//! Colours of log lines: `CSI … m` read into ratatui styles.

use ratatui::style::{Color, Modifier, Style};
use vte::Params;

/// A style after one `CSI … m`. What hides text (conceal) or blinks is not taken over.
pub fn apply(style: Style, params: &Params) -> Style {
    let mut numbers = params.iter();
    let mut style = style;
    while let Some(group) = numbers.next() {
        let code = group.first().copied().unwrap_or(0);
        if matches!(code, 38 | 48 | 58) {
            let Some(color) = extended(group, &mut numbers) else {
                continue;
            };
            style = match code {
                38 => style.fg(color),
                48 => style.bg(color),
                // The colour of underlines is read, so that its numbers are no attributes, and not shown.
                _ => style,
            };
        } else {
            style = single(style, code);
        }
    }
    style
}

/// The same style, unless its text would have the colour of its background.
pub fn visible(style: Style) -> Style {
    if style.fg.is_some() && style.fg == style.bg {
        Style { bg: None, ..style }
    } else {
        style
    }
}

fn single(style: Style, code: u16) -> Style {
    match code {
        0 => Style::default(),
        1 => style.add_modifier(Modifier::BOLD),
        2 => style.add_modifier(Modifier::DIM),
        3 => style.add_modifier(Modifier::ITALIC),
        4 | 21 => style.add_modifier(Modifier::UNDERLINED),
        7 => style.add_modifier(Modifier::REVERSED),
        9 => style.add_modifier(Modifier::CROSSED_OUT),
        22 => without(style, Modifier::BOLD | Modifier::DIM),
        23 => without(style, Modifier::ITALIC),
        24 => without(style, Modifier::UNDERLINED),
        27 => without(style, Modifier::REVERSED),
        29 => without(style, Modifier::CROSSED_OUT),
        30..=37 => style.fg(indexed(code - 30)),
        39 => Style { fg: None, ..style },
        40..=47 => style.bg(indexed(code - 40)),
        49 => Style { bg: None, ..style },
        90..=97 => style.fg(indexed(code - 90 + 8)),
        100..=107 => style.bg(indexed(code - 100 + 8)),
        _ => style,
    }
}

fn without(style: Style, gone: Modifier) -> Style {
    Style {
        add_modifier: style.add_modifier - gone,
        ..style
    }
}

/// `38;5;n`, `38;2;r;g;b`, and both with colons.
fn extended<'a>(group: &[u16], rest: &mut impl Iterator<Item = &'a [u16]>) -> Option<Color> {
    if group.len() > 1 {
        return match group {
            [_, 5, n] => Some(indexed(*n)),
            [_, 2, r, g, b] | [_, 2, _, r, g, b, ..] => rgb(*r, *g, *b),
            _ => None,
        };
    }
    let mut next = || rest.next().and_then(|p| p.first()).copied();
    match next()? {
        5 => Some(indexed(next()?)),
        2 => rgb(next()?, next()?, next()?),
        _ => None,
    }
}

fn rgb(r: u16, g: u16, b: u16) -> Option<Color> {
    let byte = |n: u16| u8::try_from(n).ok();
    Some(Color::Rgb(byte(r)?, byte(g)?, byte(b)?))
}

fn indexed(n: u16) -> Color {
    match n {
        0 => Color::Black,
        1 => Color::Red,
        2 => Color::Green,
        3 => Color::Yellow,
        4 => Color::Blue,
        5 => Color::Magenta,
        6 => Color::Cyan,
        7 => Color::Gray,
        8 => Color::DarkGray,
        9 => Color::LightRed,
        10 => Color::LightGreen,
        11 => Color::LightYellow,
        12 => Color::LightBlue,
        13 => Color::LightMagenta,
        14 => Color::LightCyan,
        15 => Color::White,
        _ => u8::try_from(n).map_or(Color::Reset, Color::Indexed),
    }
}
