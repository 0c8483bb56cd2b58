autocmd BufNewFile,BufRead *.canary setfiletype canary
