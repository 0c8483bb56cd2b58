" Vim syntax for .canary policies, made from grammar/canary.pest: CANARY_REGENERATE=1 cargo test --test editors
if exists("b:current_syntax")
  finish
endif

" reserved words
syn keyword canaryOperator    and for in not or
syn match   canaryConstant    "\<\%(false\|off\|on\|true\)\>"

" all others are names, too: keywords only where no argument, member or call is meant
syn match   canaryTail        "\<\%(aborts\|about\|ago\|approves\|as\|back\|bad\|because\|canary\|checks\|confidence\|data\|drifts\|else\|events\|fails\|forever\|from\|good\|hangs\|healthy\|history\|is\|keeps\|kill\|killed\|kills\|label\|lacks\|least\|limit\|most\|never\|none\|notified\|notify\|of\|over\|paused\|pauses\|per\|promoted\|proven\|ramps\|ran\|recording\|refused\|resets\|resumes\|rollback\|rolled\|since\|slices\|snapshot\|stable\|stops\|timeout\|times\|to\|tolerate\|undecided\|undo\|until\|waived\|weight\|with\|within\|zone\)\>"
syn match   canaryConsequence "\<\%(halt\|hold\|pause\|rollback\|tell\)\>"
syn match   canaryStatement   "\<\%(advance\|artifact\|assume\|at\|baseline\|check\|cooldown\|every\|expect\|expires\|given\|hold\|inject\|irreversible\|labels\|no\|objective\|operator\|owner\|promote\|release\|require\|runner\|settle\|start\|starts\|when\)\>"
syn match   canaryElse        "\<else\s\+\%(halt\|hold\|pause\|rollback\|tell\)\>" contains=canaryTail,canaryConsequence
syn match   canaryStatement   "\<\%(after\|by\|drift\|guard\|link\|mirror\|part\|people\|phase\|port\|ramp\|route\|run\|source\|step\|variants\)\>" nextgroup=canaryDeclared skipwhite
syn match   canaryItem        "\<\%(edition\|test\|use\)\>\ze\s\+[[:alnum:]_\"]"
syn match   canaryItem        "\<\%(action\|channel\|environment\|flag\|flags\|killswitch\|let\|load\|metric\|param\|probe\|rollout\|score\|signoff\|slice\|slo\|traffic\|window\)\>\ze\s\+[[:alnum:]_\"]" nextgroup=canaryDeclared skipwhite
syn match   canaryPronoun     "\<\%(before\|canary\|healthy\|now\|stable\|undecided\)\>"

syn match   canaryArgument    "\<[A-Za-z_]\w*\ze\s*:"
syn match   canaryMember      "\.\@1<=[A-Za-z_]\w*"
syn match   canaryCall        "\<[A-Za-z_]\w*\ze("
syn match   canaryDeclared    "[A-Za-z_]\w*" contained nextgroup=canaryOfType skipwhite
syn match   canaryOfType      ":\s*\w\+" contained contains=canaryType
syn match   canaryType        "\w\+" contained
syn match   canaryReaction    "\<on\s\+[A-Za-z_][A-Za-z0-9_, ]*\ze:" contains=canaryOn
syn match   canaryOn          "\<on\>" contained
syn match   canaryNumber      "\<\d[0-9_]*\(\.\d\+\)\?\(GiB\|KiB\|MiB\|\/h\|\/m\|\/s\|GB\|MB\|kB\|ms\|pp\|%\|B\|d\|h\|m\|s\|w\)\?\%(\>\|%\@1<=\)"
syn match   canaryNumber      "\<\(\d[0-9_]*\(\.\d\+\)\?\(ms\|[smhdw]\)\)\{2,}\>"
syn match   canaryTime        "\<\d\{4}-\d\d-\d\dT\d\d:\d\d\(:\d\d\)\?\(Z\|[+-]\d\d:\d\d\)"

syn region  canaryString      start=+"+ skip=+\\\\\|\\"+ end=+"+ oneline contains=canaryPlaceholder
syn region  canaryQuery       start=+`+ end=+`+ contains=canaryPlaceholder,canaryQueryString
syn match   canaryQueryString +"\(\\.\|[^"\\`]\)*"+ contained contains=canaryPlaceholder
syn match   canaryPlaceholder "${[^}`\"]*}" contained
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
