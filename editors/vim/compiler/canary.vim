" `:make` checks the policy; its findings fill the quickfix list.
if exists("current_compiler")
  finish
endif
let current_compiler = "canary"

CompilerSet makeprg=canary\ check\ --format\ short\ %:S
CompilerSet errorformat=%f:%l:%c:\ %trror%m,%f:%l:%c:\ %tarning%m
