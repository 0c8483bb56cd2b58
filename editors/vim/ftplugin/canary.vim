" Settings for .canary policies.
if exists("b:did_ftplugin")
  finish
endif
let b:did_ftplugin = 1

setlocal comments=:# commentstring=#\ %s
setlocal expandtab shiftwidth=2 softtabstop=2
setlocal formatoptions-=t formatoptions+=croql
" `=` and `gq` on a whole file: the one layout, where the binary is there
if executable("canary")
  setlocal formatprg=canary\ fmt\ -
endif
compiler canary

let b:undo_ftplugin = "setlocal comments< commentstring< expandtab< shiftwidth< softtabstop< formatoptions< formatprg<"
      \ . " makeprg< errorformat<"
