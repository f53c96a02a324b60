//! Themes: every shipped one is whole and readable, and a user's file changes what it names.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use halolab::ui::theme::{Depth, Theme};
use ratatui::style::{Color, Modifier};
use rstest::rstest;

/// The text of a theme's error.
fn refused(text: &str) -> String {
    Theme::parse("mine", text, Depth::Full).unwrap_err().to_string()
}

#[test]
fn three_themes_are_shipped() {
    let names: Vec<_> = Theme::embedded(Depth::Full).into_iter().map(|t| t.name).collect();
    assert_eq!(names, ["dark", "high-contrast", "light"]);
}

/// Relative luminance, as the web's accessibility guidelines define it.
fn luminance(color: Color) -> f64 {
    let Color::Rgb(r, g, b) = color else { return 0.0 };
    let part = |c: u8| {
        let c = f64::from(c) / 255.0;
        if c <= 0.04045 {
            c / 12.92
        } else {
            ((c + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b)
}

fn contrast(a: Color, b: Color) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn every_style_can_be_read_on_its_background() {
    for theme in Theme::embedded(Depth::Full) {
        let styles = &theme.styles;
        let screen = styles.screen.bg.unwrap();
        let needed = if theme.name == "high-contrast" { 7.0 } else { 4.5 };
        for (name, style) in [
            ("text", styles.text),
            ("dim", styles.dim),
            ("title", styles.title),
            ("accent", styles.accent),
            ("selected", styles.selected),
            ("key", styles.key),
            ("input", styles.input),
            ("match", styles.matched),
            ("ok", styles.ok),
            ("warn", styles.warn),
            ("error", styles.error),
            ("busy", styles.busy),
        ] {
            let ratio = contrast(style.fg.unwrap(), style.bg.unwrap_or(screen));
            assert!(ratio >= needed, "{name} of {}: {ratio:.1}", theme.name);
        }
    }
}

#[rstest]
#[case(Depth::Ansi)]
#[case(Depth::Mono)]
fn few_colours_are_enough(#[case] depth: Depth) {
    for theme in Theme::embedded(depth) {
        let styles = &theme.styles;
        for style in [
            styles.screen,
            styles.text,
            styles.selected,
            styles.error,
            styles.matched,
        ] {
            for color in [style.fg, style.bg].into_iter().flatten() {
                assert!(!matches!(color, Color::Rgb(..) | Color::Indexed(_)), "{color:?}");
                assert_ne!(depth, Depth::Mono, "{color:?}");
            }
        }
        if depth == Depth::Mono {
            assert!(styles.selected.add_modifier.contains(Modifier::REVERSED));
        } else {
            assert_ne!(styles.selected.fg, styles.selected.bg);
        }
    }
}

#[test]
fn a_users_theme_changes_what_it_names_and_no_more() {
    let theme = Theme::parse("mine", "[truecolor]\nok = { fg = \"#123456\" }\n", Depth::Full).unwrap();
    let dark = Theme::pick(&Theme::embedded(Depth::Full), "dark").unwrap();
    assert_eq!(theme.styles.ok.fg, Some(Color::Rgb(0x12, 0x34, 0x56)));
    assert_eq!(theme.styles.error, dark.styles.error);
    assert_eq!(theme.title, "mine");
}

#[test]
fn a_wrong_key_is_named_with_its_line_and_what_is_allowed() {
    insta::assert_snapshot!(refused("[truecolor]\nokay = { fg = \"#123456\" }\n"));
    insta::assert_snapshot!(refused("title = \"x\"\ncolours = 3\n"));
    insta::assert_snapshot!(refused("[ansi]\nok = { fg = \"greenish\" }\n"));
}

#[test]
fn a_folder_adds_and_replaces_and_says_what_it_cannot_use() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("light.toml", "title = \"My light\"\n");
    write("broken.toml", "[truecolor]\nok = 3\n");
    write("notes.txt", "no theme");
    write("huge.toml", &format!("# {}", "x".repeat(100_000)));
    let (themes, errors) = Theme::all(Some(folder.path()), Depth::Full);
    let mut titles: Vec<_> = themes.iter().map(|t| t.title.as_str()).collect();
    titles.sort_unstable();
    assert_eq!(titles, ["Dark", "High contrast", "My light"]);
    assert_eq!(errors.len(), 2, "{errors:?}");
    let unknown = Theme::pick(&themes, "pink\x1b[2J").unwrap_err().to_string();
    assert!(
        unknown.contains("there is no theme `pink`") && unknown.contains("dark"),
        "{unknown}"
    );
}

#[rstest]
#[case(&[("NO_COLOR", "1"), ("COLORTERM", "truecolor")], Depth::Mono)]
#[case(&[("NO_COLOR", ""), ("COLORTERM", "truecolor")], Depth::Full)]
#[case(&[("COLORTERM", "24bit")], Depth::Full)]
#[case(&[("COLORTERM", "yes")], Depth::Ansi)]
#[case(&[], Depth::Ansi)]
fn the_terminal_says_how_many_colours_it_has(#[case] set: &[(&str, &str)], #[case] depth: Depth) {
    let variable = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
    assert_eq!(Depth::detect(variable), depth);
}
