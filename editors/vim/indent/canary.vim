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

" Whether a line begins inside a query, so that its blanks mean something. Not asked of the syntax: while many lines are indented
" at once, what it says of them is out of date.
function! s:BeginsInside(lnum) abort
  let inside = 0
  for line in a:lnum > 1 ? getline(max([1, a:lnum - 300]), a:lnum - 1) : []
    let rest = line
    if inside
      if line !~# '`' | continue | endif
      let rest = matchstr(line, '`\zs.*')
    endif
    " one that is left over in what is neither text, query nor comment opens a query
    let inside = s:Bare(rest) =~# '`'
  endfor
  return inside
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
