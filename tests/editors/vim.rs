//! The syntax file for Vim, made of the words.

use super::words::Words;
use std::collections::BTreeSet;

/// For an alternative in a pattern of Vim's.
fn any<'w>(words: impl IntoIterator<Item = &'w String>) -> String {
    line(words).replace(' ', "\\|")
}

fn line<'w>(words: impl IntoIterator<Item = &'w String>) -> String {
    let words: BTreeSet<&str> = words.into_iter().map(String::as_str).collect();
    words.into_iter().collect::<Vec<_>>().join(" ")
}

/// `editors/vim/syntax/canary.vim`
pub fn syntax(w: &Words) -> String {
    let named = |words: &BTreeSet<String>| -> (String, String) {
        (any(words.intersection(&w.named)), any(words.difference(&w.named)))
    };
    let declaring: BTreeSet<String> = w.items.union(&w.statements).cloned().collect();
    let only_items: BTreeSet<String> = w.items.clone();
    let statements: BTreeSet<String> = w.statements.difference(&w.items).cloned().collect();
    let (items, items_alone) = named(&only_items);
    let (parts, parts_alone) = named(&statements);
    let tails = any(&w.tails);
    let (consequences, operators, constants, predeclared) =
        (any(&w.consequences), line(&w.operators), any(&w.constants), any(super::predeclared().difference(&declaring)));
    let units = w.units.iter().map(|u| u.replace('/', "\\/")).collect::<Vec<_>>().join("\\|");
    format!(
        r##"" Vim syntax for .canary policies, made from grammar/canary.pest: CANARY_REGENERATE=1 cargo test --test editors
if exists("b:current_syntax")
  finish
endif

" reserved words
syn keyword canaryOperator    {operators}
syn match   canaryConstant    "\<\%({constants}\)\>"

" all others are names, too: keywords only where no argument, member or call is meant
syn match   canaryTail        "\<\%({tails}\)\>"
syn match   canaryConsequence "\<\%({consequences}\)\>"
syn match   canaryStatement   "\<\%({parts_alone}\)\>"
syn match   canaryElse        "\<else\s\+\%({consequences}\)\>" contains=canaryTail,canaryConsequence
syn match   canaryStatement   "\<\%({parts}\)\>" nextgroup=canaryDeclared skipwhite
syn match   canaryItem        "\<\%({items_alone}\)\>\ze\s\+[[:alnum:]_\"]"
syn match   canaryItem        "\<\%({items}\)\>\ze\s\+[[:alnum:]_\"]" nextgroup=canaryDeclared skipwhite
syn match   canaryPronoun     "\<\%({predeclared}\)\>"

syn match   canaryArgument    "\<[A-Za-z_]\w*\ze\s*:"
syn match   canaryMember      "\.\@1<=[A-Za-z_]\w*"
syn match   canaryCall        "\<[A-Za-z_]\w*\ze("
syn match   canaryDeclared    "[A-Za-z_]\w*" contained nextgroup=canaryOfType skipwhite
syn match   canaryOfType      ":\s*\w\+" contained contains=canaryType
syn match   canaryType        "\w\+" contained
syn match   canaryReaction    "\<on\s\+[A-Za-z_][A-Za-z0-9_, ]*\ze:" contains=canaryOn
syn match   canaryOn          "\<on\>" contained
syn match   canaryNumber      "\<\d[0-9_]*\(\.\d\+\)\?\({units}\)\?\%(\>\|%\@1<=\)"
syn match   canaryNumber      "\<\(\d[0-9_]*\(\.\d\+\)\?\(ms\|[smhdw]\)\)\{{2,}}\>"
syn match   canaryTime        "\<\d\{{4}}-\d\d-\d\dT\d\d:\d\d\(:\d\d\)\?\(Z\|[+-]\d\d:\d\d\)"

syn region  canaryString      start=+"+ skip=+\\\\\|\\"+ end=+"+ oneline contains=canaryPlaceholder
syn region  canaryQuery       start=+`+ end=+`+ contains=canaryPlaceholder,canaryQueryString
syn match   canaryQueryString +"\(\\.\|[^"\\`]\)*"+ contained contains=canaryPlaceholder
syn match   canaryPlaceholder "${{[^}}`\"]*}}" contained
syn match   canaryComment     "#.*$" contains=@Spell

" a query may be long: find its beginning wherever the window opens
syn sync minlines=200

hi def link canaryItem        Keyword
hi def link canaryStatement   Statement
hi def link canaryTail        Label
hi def link canaryConsequence Exception
hi def link canaryOperator    Operator
hi def link canaryConstant    Constant
hi def link canaryPronoun     Special
hi def link canaryDeclared    Identifier
hi def link canaryType        Type
hi def link canaryReaction    Constant
hi def link canaryOn          Statement
hi def link canaryArgument    Normal
hi def link canaryMember      Normal
hi def link canaryCall        Function
hi def link canaryNumber      Number
hi def link canaryTime        Number
hi def link canaryString      String
hi def link canaryQuery       String
hi def link canaryQueryString SpecialChar
hi def link canaryPlaceholder PreProc
hi def link canaryComment     Comment

let b:current_syntax = "canary"
"##
    )
}
