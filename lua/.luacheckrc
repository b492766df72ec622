-- What luacheck holds against: only what every Lua from 5.1 to 5.4 has, and nginx's `ngx`.
std = 'min'
read_globals = { 'ngx' }
max_line_length = 120
