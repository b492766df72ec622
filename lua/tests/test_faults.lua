--- Servers that misbehave (`fake.py`): every fault comes back as `nil` and a reason, none as a Lua
--- error, and what is only slow is no fault.

local harness = require 'harness'
local exec = require 'resty.exec'
local exec_socket = require 'resty.exec.socket'

local test, equal, reply = harness.test, harness.equal, harness.reply
local directory = os.getenv('SOCKEXEC_FAKES')

local function prog(fake, options)
    local made = exec.new(directory .. '/' .. fake)
    for key, value in pairs(options or {}) do
        made[key] = value
    end
    return made
end

local function client(fake, timeout)
    local made = exec_socket:new({ timeout = timeout })
    local ok, err = made:connect(directory .. '/' .. fake)
    equal(err, nil)
    equal(ok, true)
    return made
end

local LINUX = { stdout = 'Linux\n', exitcode = 0 }

test('a reply that comes one byte at a time', function()
    local res, err = prog('one-byte-at-a-time')('uname')
    reply(res, err, LINUX)
end)

-- Calls a program over a transport whose clock is the test's own: `read(link, timeout)` does what
-- it likes with `link.time` and `link.moved`.
local function over_stub(read)
    local link = { time = 0, moved = 0, reads = 0, read = read }
    function link.now() return link.time end
    function link.write(_, bytes) return #bytes end
    function link.post() end
    function link.close() end
    local name = harness.ngx and 'resty.exec.cosocket' or 'resty.exec.luasocket'
    local real = package.loaded[name]
    package.loaded[name] = { open = function() return link end }
    local good, res, err = pcall(prog('stub', { timeout = 1000 }), 'x')
    package.loaded[name] = real
    assert(good, res)
    return res, err, link
end

local WIRE = '6:stdout,6:Linux\n,8:exitcode,1:0,'

test('a reply whose pairs take longer than the timeout, without ever falling silent', function()
    local res, err = over_stub(function(link, timeout)
        if link.moved == #WIRE then
            return nil, 'closed'
        elseif timeout < 700 then
            link.time = link.time + timeout / 1000
            return nil, 'timeout'
        end
        link.time, link.moved = link.time + 0.7, link.moved + 1
        return WIRE:sub(link.moved, link.moved)
    end)
    reply(res, err, LINUX)
end)

test('stdin that goes out slowly while nothing comes in is not silence', function()
    local res, err = over_stub(function(link, timeout)
        link.reads = link.reads + 1
        if link.reads <= 5 then
            link.time, link.moved = link.time + timeout / 1000, link.moved + 1
            return nil, 'timeout'
        elseif link.reads == 6 then
            return WIRE
        end
        return nil, 'closed'
    end)
    reply(res, err, LINUX)
end)

test('silence both ways is a timeout, after one wait', function()
    local res, err, link = over_stub(function(link, timeout)
        link.reads = link.reads + 1
        link.time = link.time + timeout / 1000
        return nil, 'timeout'
    end)
    equal(res, nil)
    equal(err, 'timeout')
    equal(link.time, 1)
    equal(link.reads, 1)
end)

test('a reply that comes long after a 1 ms wait: the end of the connection', function()
    local res, err = prog('close-late')('uname')
    reply(res, err, LINUX)
end)

test('a server that never closes has still said everything', function()
    local res, err = prog('never-close', { timeout = 50, timeout_fatal = false })('uname')
    reply(res, err, LINUX)
end)

test('output that comes after the exit status', function()
    local res, err = prog('status-first')('x')
    reply(res, err, { stdout = 'late', exitcode = 7 })
end)

test('pairs of an unknown type are collected as they came', function()
    local res, err = prog('unknown-type')('x')
    reply(res, err, { stdout = 'Linux\n', exitcode = 0, unknown = '5:bogus,3:abc,0:,0:,' })
end)

test('receive hands out a pair of an unknown type', function()
    local one = client('unknown-type')
    one:send_args({ 'x' })
    one:send_close()
    local data, typ, err = one:receive()
    equal(data, 'abc')
    equal(typ, 'bogus')
    equal(err, nil)
    equal(select(2, one:receive()), 'stdout')
    one:close()
end)

test('a signal that comes as a name', function()
    local res, err = prog('signal-name')('x')
    reply(res, err, { termsig = 'TERM' })
    local one = client('signal-name')
    one:send_args({ 'x' })
    one:send_close()
    local data, typ
    data, typ, err = one:receive()
    equal(err, nil)
    equal(typ, 'termsig')
    equal(data, 'TERM')
    one:close()
end)

test('a status that is no decimal number', function()
    local res, err = prog('odd-status')('x')
    reply(res, err, { exitcode = '0x1' })
end)

for _, fake in ipairs { 'close-at-once', 'half-a-pair', 'half-a-netstring', 'no-status' } do
    test('an early end: ' .. fake, function()
        local res, err = prog(fake)('x')
        equal(res, nil)
        equal(err, 'closed')
        res, err = prog(fake, { timeout_fatal = false, stdin = harness.bytes(1000000) })('x')
        equal(res, nil)
        equal(err, 'closed')
    end)
end

test('what came before an early end is the third value', function()
    local res, err, partial = prog('no-status')('x')
    equal(res, nil)
    equal(err, 'closed')
    equal(partial.stdout, 'abc')
    equal(partial.exitcode, nil)
end)

for _, kind in ipairs { 'start', 'zero', 'comma', 'colon', 'length', 'after-status' } do
    test('a malformed reply: ' .. kind, function()
        local res, err = prog('malformed-' .. kind)('x')
        equal(res, nil)
        harness.contains(err, 'malformed reply', 'err')
    end)

    test('receive of a malformed reply: ' .. kind, function()
        local one = client('malformed-' .. kind)
        one:send_args({ 'x' })
        one:send_close()
        local data, typ, err
        repeat
            data, typ, err = one:receive()
        until err
        equal(data, nil)
        equal(typ, nil)
        harness.contains(err, 'malformed reply', 'err')
        equal(select(3, one:receive()), 'closed', 'after that')
        equal(select(2, one:send('x')), 'closed', 'sending after that')
    end)
end

test('a timeout in the middle of a pair keeps its place', function()
    local one = client('in-two-parts')
    one:send_args({ 'x' })
    equal(one:receive(), 'first')
    one.timeout = 30
    local data, typ, err = one:receive()
    equal(data, nil)
    equal(typ, nil)
    equal(err, 'timeout')
    equal(select(3, one:receive()), 'timeout')
    one.timeout = 60000
    one:send('more')
    data, typ, err = one:receive()
    equal(err, nil)
    equal(typ, 'stdout')
    equal(data, 'hello there')
    equal(one:receive(), '0')
    equal(select(3, one:receive()), 'closed')
    one:close()
end)

test('silence is a timeout, in the call or on the object', function()
    local _, err = prog('silent', { timeout = 30 })('x')
    equal(err, 'timeout')
    _, err = prog('silent')({ argv = 'x', timeout = 30 })
    equal(err, 'timeout')
end)

test('a server that does not even read', function()
    local _, err = prog('deaf', { timeout = 50, stdin = harness.bytes(5000000) })('x')
    equal(err, 'timeout')
    local one = client('deaf', 50)
    assert(one:send_args({ 'x' }))
    local sent
    sent, err = one:send(harness.bytes(5000000))
    equal(sent, nil)
    equal(err, 'timeout')
    sent, err = one:send('after half a netstring nothing may follow')
    equal(sent, nil)
    equal(err, 'timeout')
    one:close()
end)

for _, fake in ipairs { 'reply-without-reading', 'reply-and-reset' } do
    for _, size in ipairs { 0, 100, 5000000 } do
        test(fake .. ' is read, with ' .. size .. ' bytes of stdin', function()
            local res, err = prog(fake, { stdin = harness.bytes(size) })('x')
            reply(res, err, LINUX)
        end)
    end
end

test('a send that fails says so, and the reply is still received', function()
    local one = client('reply-without-reading')
    one:send_args({ 'x' })
    local sent, err
    repeat
        sent, err = one:send('x')
    until not sent
    equal(type(err), 'string')
    sent, err = one:send('x')
    equal(sent, nil)
    equal(type(err), 'string')
    local data, typ = one:receive()
    equal(typ, 'stdout')
    equal(data, 'Linux\n')
    equal(one:receive(), '0')
    equal(select(3, one:receive()), 'closed')
    one:close()
end)

test('a full listen queue: a timeout, and a connection once there is room', function()
    local made = exec_socket:new({ timeout = 30 })
    local ok, err = made:connect(directory .. '/full-queue')
    equal(ok, nil)
    equal(err, 'timeout')
    prog('make-room')('x')
    local res
    res, err = prog('full-queue')('uname')
    reply(res, err, LINUX)
end)

test('no socket there', function()
    local res, err = prog('no-such-socket')('x')
    equal(res, nil)
    harness.contains(err:lower(), 'no such file')
    local ok
    ok, err = exec_socket:new():connect(directory .. '/no-such-socket')
    equal(ok, nil)
    harness.contains(err:lower(), 'no such file')
end)

test('a path that is none', function()
    for _, path in ipairs { '', ('x'):rep(500), 1 } do
        local res, err = exec.new(path)('x')
        equal(res, nil)
        equal(type(err), 'string')
    end
end)

test('every method without a connection', function()
    local one = exec_socket:new()
    for _ = 1, 2 do
        for _, try in ipairs {
            { one:send_args({ 'x' }) }, { one:send('x') }, { one:send_data('') }, { one:send_close() },
            { one:getfd() },
        } do
            equal(try[1], nil)
            equal(try[2], 'closed')
        end
        equal(select(3, one:receive()), 'closed')
        equal(one:dirty(), false)
        one:close()
        -- And the same once more after a connection that was closed again.
        one:connect(directory .. '/silent')
        one:close()
    end
end)

test('methods in the wrong order or with the wrong things', function()
    local one = client('silent')
    local function refused(reason, ok, err)
        equal(ok, nil)
        harness.contains(err, reason)
    end
    refused('arguments first', one:send('x'))
    refused('arguments first', one:send_close())
    refused('must be a table', one:send_args('x'))
    refused('no program', one:send_args({}))
    refused('argument 2 is a boolean', one:send_args({ 'x', true }))
    refused('argument 2 is a nil', one:send_args({ 'x', nil, 'y' }))
    refused('argument 3 is a nil', one:send_args({ 'x', 'y', [100] = 'z' }))
    assert(one:send_args({ 'x', 1 }))
    refused('already', one:send_args({ 'x' }))
    refused('must be a string', one:send(nil))
    refused('must be a string', one:send({}))
    assert(one:send(1))
    assert(one:send_close())
    refused('closed', one:send_close())
    refused('closed', one:send('x'))
    one:close()
    refused('no program', prog('silent')())
    refused('no program', prog('silent')({}))
    refused('argument 2 is a nil', prog('silent')('x', nil, 'y'))
    refused('argument 1 is a nil', prog('silent')({ argv = { nil, 'y' } }))
    refused('stdin must be', prog('silent')({ argv = 'x', stdin = {} }))
end)

test('a timeout that is no positive number is the default', function()
    for _, timeout in ipairs { 0, -1, 'soon', math.huge, 0 / 0 } do
        local res, err = prog('one-byte-at-a-time', { timeout = timeout })('x')
        reply(res, err, LINUX)
    end
end)

if harness.ngx then
    test('getfd answers or says why not', function()
        local one = client('silent')
        local fd, err = one:getfd()
        equal(type(fd or err), fd and 'number' or 'string')
        one:close()
    end)
else
    local socket = require 'socket'

    test('getfd and dirty serve a select loop', function()
        local one = client('unknown-type')
        equal(type(one:getfd()), 'number')
        one:send_args({ 'x' })
        one:send_close()
        local pairs_seen = 0
        while true do
            local ready = socket.select({ one }, nil, 10)
            equal(ready[1], one)
            local data, typ, err = one:receive()
            if not data then
                equal(typ, nil)
                equal(err, 'closed')
                break
            end
            pairs_seen = pairs_seen + 1
        end
        equal(pairs_seen, 4)
        one:close()
    end)

    test('a LuaSocket whose socket.unix is a function', function()
        local unix = require 'socket.unix'
        local maker = type(unix) == 'table' and unix.stream or unix
        for _, shape in ipairs { maker, { stream = maker } } do
            package.loaded['socket.unix'] = shape
            local res, err = prog('one-byte-at-a-time')('x')
            reply(res, err, LINUX)
        end
        package.loaded['socket.unix'] = unix
    end)

    test('no LuaSocket', function()
        local loaded, preload = package.loaded['socket.unix'], package.preload['socket.unix']
        package.loaded['socket.unix'] = nil
        package.preload['socket.unix'] = function() error('not installed') end
        local res, err = prog('silent')('x')
        package.loaded['socket.unix'], package.preload['socket.unix'] = loaded, preload
        equal(res, nil)
        harness.contains(err, 'LuaSocket')
    end)

    test('descriptors too high for select()', function()
        local open = {}
        repeat
            local file, err = io.open('/dev/null')
            open[#open + 1] = file
        until #open == 1100 or err
        local high = #open == 1100
        local res, err = prog('one-byte-at-a-time', { stdin = harness.bytes(100000) })('x')
        for _, file in ipairs(open) do
            file:close()
        end
        if high then
            reply(res, err, LINUX)
        end
    end)
end

harness.finish()
