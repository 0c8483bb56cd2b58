" Vim syntax for .canary policies. Copy editors/vim into ~/.vim, or into a package.
if exists("b:current_syntax")
  finish
endif

syn match   canaryComment  "#.*$" contains=@Spell
syn region  canaryString   start=+"+ skip=+\\"+ end=+"+ oneline
syn region  canaryQuery    start=+`+ end=+`+ contains=canaryPlaceholder
syn match   canaryPlaceholder "\${[^}]*}" contained

syn keyword canaryItem     edition use param let metric traffic flag flags slice probe load action channel killswitch window signoff slo score environment rollout test
syn keyword canaryStatement owner link check every settle baseline require no data guard phase hold run promote ramp mirror irreversible on at when release cooldown drift route after advance start
syn keyword canaryTail     tolerate else least most events from until never waived within timeout undo none limit per checks since
syn keyword canaryAct      rollback pause halt tell kill notify snapshot
syn keyword canaryOperator and or not in for of
syn keyword canaryConstant true false off healthy stable before undecided
syn keyword canaryType     bool string number count ratio duration rate bytes time counter histogram
syn match   canaryNumber   "\<\d[0-9_]*\(\.\d\+\)\?\(%\|pp\>\|ms\>\|s\>\|m\>\|h\>\|d\>\|w\>\|/[smh]\>\|[KMGT]\?i\?B\>\)\?"

hi def link canaryComment     Comment
hi def link canaryString      String
hi def link canaryQuery       Special
hi def link canaryPlaceholder Identifier
hi def link canaryItem        Keyword
hi def link canaryStatement   Statement
hi def link canaryTail        Label
hi def link canaryAct         Function
hi def link canaryOperator    Operator
hi def link canaryConstant    Constant
hi def link canaryType        Type
hi def link canaryNumber      Number

let b:current_syntax = "canary"
