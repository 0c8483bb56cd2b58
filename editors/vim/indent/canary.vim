" Indentation as `canary fmt` lays it out: two blanks a bracket that is open at the end of a line.
if exists("b:did_indent")
  finish
endif
let b:did_indent = 1

setlocal indentexpr=CanaryIndent()
setlocal indentkeys=0{,0},0),0],!^F,o,O
let b:undo_indent = "setlocal indentexpr< indentkeys<"

if exists("*CanaryIndent")
  finish
endif

" What of a line is neither text nor comment.
function! s:Bare(line) abort
  let bare = substitute(a:line, '"\(\\.\|[^"\\]\)*"\|`[^`]*`', '', 'g')
  return substitute(bare, '#.*$', '', '')
endfunction

" Whether a line begins inside a query, so that its blanks mean something.
function! s:BeginsInside(lnum) abort
  if synIDattr(synID(a:lnum, 1, 0), "name") !~# '^canary\%(Query\|Placeholder\)'
    return 0
  endif
  " its first character may be the backtick that opens one
  let before = getline(a:lnum - 1)
  return getline(a:lnum)[0] !=# '`'
        \ || (synIDattr(synID(a:lnum - 1, strlen(before), 0), "name") =~# '^canaryQuery' && before !~# '`$')
endfunction

function! CanaryIndent() abort
  " inside a query of several lines nothing is moved
  if s:BeginsInside(v:lnum)
    return -1
  endif
  let before = prevnonblank(v:lnum - 1)
  if before == 0
    return 0
  endif
  " a comment line says nothing about what is open
  while before > 1 && getline(before) =~# '^\s*#'
    let before = prevnonblank(before - 1)
  endwhile
  if before == 0
    return 0
  endif
  let bare = s:Bare(getline(before))
  let depth = 0
  let closed_first = 0
  for c in split(bare, '\zs')
    if c =~# '[{(\[]'
      let depth += 1
    elseif c =~# '[})\]]'
      if depth > 0
        let depth -= 1
      elseif bare !~# '^\s*[})\]]' || closed_first
        let depth -= 1
      else
        " the line's own first closer was taken off when it was indented
        let closed_first = 1
      endif
    endif
  endfor
  let indent = indent(before) + depth * shiftwidth()
  if getline(v:lnum) =~# '^\s*[})\]]'
    let indent -= shiftwidth()
  endif
  return max([indent, 0])
endfunction
