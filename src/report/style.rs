//! Style sheets: one source for light and dark, for pages with a theme switch and files without one.

const INKS: &str = include_str!("../../templates/inks.css");
const BANDS: &str = include_str!("../../templates/bands.css");
const PAGE: &str = include_str!("../../templates/page.css");

/// The style sheet of a page. A line `@dark SELECTOR{…}` applies on a dark screen, chosen by the reader or the system, and
/// never in print. Only a page with faults has their colours.
pub(crate) fn of_page(with_bands: bool) -> String {
    let bands = if with_bands { BANDS } else { "" };
    themed(&format!("{PAGE}{INKS}{bands}"), |rule| {
        format!(
            "@media screen{{:root.dark {rule}}}\n\
             @media screen and (prefers-color-scheme:dark){{:root:not(.light) {rule}}}"
        )
    })
}

/// The style sheet of a standalone chart. It has each colour twice: as a literal, for programs that do not support CSS
/// variables, then as a variable.
pub(crate) fn of_file(with_bands: bool) -> String {
    let sheet = |css: &str| {
        let themed = themed(css, |rule| format!("@media (prefers-color-scheme:dark){{{rule}}}"));
        format!("{}{themed}", literal(css))
    };
    if with_bands { format!("{}{}", sheet(INKS), sheet(BANDS)) } else { sheet(INKS) }
}

fn themed(css: &str, dark: impl Fn(&str) -> String) -> String {
    let lines = css.lines().map(|line| line.strip_prefix("@dark ").map_or_else(|| line.to_owned(), &dark));
    lines.map(|line| line + "\n").collect()
}

/// The rules of a style sheet with the light values of their variables.
fn literal(css: &str) -> String {
    let declared = css.lines().next().unwrap_or("").split([';', '{', '}']);
    let values: Vec<(&str, &str)> =
        declared.filter(|d| d.starts_with("--")).filter_map(|d| d.split_once(':')).collect();
    let mut rules = css.lines().skip(1).filter(|line| !line.starts_with('@')).collect::<Vec<_>>().join("\n");
    for (name, value) in values {
        rules = rules.replace(&format!("var({name})"), value);
    }
    rules + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_have_a_value_with_and_without_variables() {
        let css = of_file(true);
        assert!(css.contains(".f1{fill:#0067b8}") && css.contains(".f1{fill:var(--c1)}"));
        assert!(css.contains(".fb{fill:#f8d5bd}") && css.contains(".fb{fill:var(--band)}"));
        assert!(
            [INKS, BANDS].iter().all(|css| !literal(css).contains("var(")),
            "each variable has a light value"
        );
        assert!(!of_page(true).contains("@dark"));
        assert!(!of_file(false).contains(".fb") && !of_page(false).contains(".fb"), "as without faults");
    }
}
