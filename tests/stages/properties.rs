//! What holds for any input: conditions, sizes, loading and resolving.

use halolab::stage::{
    condition::{Condition, Expression, Operand, Operator, Scope},
    size,
};
use proptest::prelude::*;

use super::*;

fn operand() -> impl Strategy<Value = Operand> {
    prop_oneof![
        "[a-z][a-z0-9_]{0,8}".prop_map(Operand::Host),
        "[a-z][a-z0-9_]{0,8}".prop_map(Operand::Option),
        Just(Operand::ImageFamily),
        Just(Operand::ImageId),
        any::<bool>().prop_map(Operand::Bool),
    ]
}

fn literal() -> impl Strategy<Value = Operand> {
    prop_oneof![
        operand(),
        any::<u64>().prop_map(Operand::Number),
        "[^'\"]{0,6}\"?[^'\"]{0,3}".prop_map(Operand::Text),
        "[^'\"]{0,6}'?".prop_map(Operand::Text),
    ]
}

fn expression() -> impl Strategy<Value = Expression> {
    let operator = prop_oneof![
        Just(Operator::Equal),
        Just(Operator::Unequal),
        Just(Operator::Less),
        Just(Operator::LessOrEqual),
        Just(Operator::Greater),
        Just(Operator::GreaterOrEqual),
    ];
    let leaf = prop_oneof![
        operand().prop_map(Expression::Holds),
        (literal(), operator, literal()).prop_map(|(l, o, r)| Expression::Compare(l, o, r)),
        ("[^'\"]{0,6}", "[a-z][a-z0-9_]{0,8}").prop_map(|(word, id)| Expression::Contains(word, id)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|part| Expression::Not(Box::new(part))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::All),
            prop::collection::vec(inner, 2..4).prop_map(Expression::Any),
        ]
    })
}

proptest! {
    #[test]
    fn a_condition_is_read_back_as_it_was_shown(expression in expression()) {
        let shown = expression.to_string();
        prop_assume!(shown.len() < 2000);
        let read = Condition::parse(&shown).map_err(|error| TestCaseError::fail(format!("{shown}: {error}")))?;
        prop_assert_eq!(read.expression(), &expression, "{}", shown);
        let (facts, answers) = (Facts::new(), Answers::new());
        let _ = read.holds(&Scope { facts: &facts, answers: &answers, image: None });
    }

    #[test]
    fn no_text_makes_the_parser_of_conditions_panic(text in ".{0,60}") {
        if let Err(error) = Condition::parse(&text) {
            prop_assert!(error.offset <= text.len());
        }
    }

    #[test]
    fn no_mix_of_its_words_makes_it_panic(words in prop::collection::vec(prop::sample::select(vec![
        "host.a", "option.b", "image.family", "image.", "host.", "==", "=", "!", "!=", "(", ")", "&&", "&", "||",
        "in", "\"", "'x'", "\"é\"", "16GiB", "1.", ".", "<=", "true", "é",
    ]), 0..12)) {
        if let Err(error) = Condition::parse(&words.concat()) {
            prop_assert!(error.offset <= words.concat().len());
        }
        let _ = Condition::parse(&words.join(" "));
    }

    #[test]
    fn a_size_is_read_back_as_it_was_written(bytes: u64) {
        prop_assert_eq!(size::parse(&size::format(bytes)), Ok(bytes));
    }

    #[test]
    fn round_sizes_are_read_back_too(number in 0u64..4096, shift in 0u32..6) {
        let bytes = number << (10 * shift);
        prop_assert_eq!(size::parse(&size::format(bytes)), Ok(bytes));
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
        let unit = units.get(shift as usize).copied().unwrap_or_default();
        prop_assert_eq!(size::parse(&format!(" {number} {unit}")), Ok(bytes));
        prop_assert_eq!(size::parse(&format!("{number}.5{unit}")).ok(), match shift {
            0 => None,
            _ => Some(bytes + (1 << (10 * shift - 1))),
        });
    }

    #[test]
    fn no_text_makes_the_parser_of_sizes_panic(text in "[0-9.]{0,30}[ a-zA-Z]{0,4}|.{0,20}") {
        let _ = size::parse(&text);
    }

    #[test]
    fn what_is_shown_of_a_size_is_never_more_than_it_is(bytes: u64) {
        let shown = size::parse(&size::human(bytes));
        prop_assert!(matches!(shown, Ok(shown) if shown <= bytes) || matches!(shown, Err(size::SizeError::Fraction)));
    }

    #[test]
    fn no_text_makes_the_loader_panic(text in "(version = 1\n)?.{0,40}\n.{0,40}") {
        let _ = load::parse("any.toml", &text, BTreeMap::new());
        let stage = full();
        let _ = read_answers("any.toml", &text, &Labs::from([("full".to_owned(), &stage)]));
    }

    #[test]
    fn answers_that_were_resolved_resolve_to_themselves(
        gpu in prop::sample::select(vec!["rocm", "cpu"]),
        editors in prop::sample::subsequence(vec!["cursor", "code-server"], 0..=2),
        jupyter: bool,
        amd_card: bool,
        swap in 1u64..=64,
        name in "[^\\p{C}]{1,20}",
    ) {
        let stage = full();
        let facts = Facts::from([("gpu_amd".into(), Fact::Bool(amd_card))]);
        let words: BTreeSet<String> = editors.iter().map(|word| (*word).to_owned()).collect();
        let answers = given(&[
            ("gpu", text(gpu)),
            ("editors", Answer::List(words.into_iter().collect())),
            ("jupyter", Answer::Bool(jupyter)),
            ("swap", text(&format!("{swap}GiB"))),
            ("name", text(&name)),
        ]);
        let Ok(once) = resolve(&stage, &answers, &facts) else {
            prop_assert!(gpu == "rocm" && !amd_card);
            return Ok(());
        };
        prop_assert_eq!(&resolve(&stage, &once, &facts).unwrap(), &once);
        let labs = Labs::from([("full".to_owned(), &stage)]);
        let file = export(&[("full", &stage, &once)]);
        let read = read_answers("x.toml", &file, &labs).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(read.get("full"), Some(&once));
    }
}
