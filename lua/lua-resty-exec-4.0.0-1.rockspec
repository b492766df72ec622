-- LuaRocks: `luarocks make` in this directory installs the modules from this tree.
-- There is no public address of the sources, so `source.url` names this tree, which that command does
-- not read. Put the archive's address there when you upload a release.
rockspec_format = '1.0'
package = 'lua-resty-exec'
version = '4.0.0-1'
source = {
    url = 'git+file://.',
}
description = {
    summary = 'Runs programs through sockexec, from nginx without blocking and from plain Lua',
    detailed = [[
The client side of sockexec, a daemon that runs local programs for the clients of a UNIX socket.
No shell is involved: a program gets its arguments as an array. Inside nginx (OpenResty) it works
over cosockets and does not block; outside it needs LuaSocket.
]],
    license = 'ISC',
    maintainer = 'The sockexec maintainers',
}
-- LuaSocket is needed outside nginx only, so it is not named here.
dependencies = {
    'lua >= 5.1, < 5.5',
}
build = {
    type = 'builtin',
    modules = {
        ['resty.exec'] = 'lib/resty/exec.lua',
        ['resty.exec.socket'] = 'lib/resty/exec/socket.lua',
        ['resty.exec.netstring'] = 'lib/resty/exec/netstring.lua',
        ['resty.exec.cosocket'] = 'lib/resty/exec/cosocket.lua',
        ['resty.exec.luasocket'] = 'lib/resty/exec/luasocket.lua',
    },
}
