--- Much data, both ways at once, and what becomes of it when one side stops; against the real server.

local harness = require 'harness'
local exec = require 'resty.exec'
local exec_socket = require 'resty.exec.socket'

local test, equal, reply = harness.test, harness.equal, harness.reply
local path = os.getenv('SOCKEXEC_SOCKET')
local prog = exec.new(path)

for _, size in ipairs { 1, 32000, 32768, 65536, 65537, 1048576, 20000000 } do
    test(size .. ' bytes through cat', function()
        local bytes = harness.bytes(size)
        local res, err = prog({ argv = 'cat', stdin = bytes })
        reply(res, err, { stdout = bytes, exitcode = 0 })
    end)
end

test('much on stdin and much on both outputs', function()
    local bytes = harness.bytes(3000000)
    local res, err = prog({ argv = { 'tee', '/dev/stderr' }, stdin = bytes })
    reply(res, err, { stdout = bytes, stderr = bytes, exitcode = 0 })
end)

test('much on stdin and none of it read', function()
    local res, err = prog({ argv = { 'sh', '-c', 'echo unread; exit 5' }, stdin = harness.bytes(5000000) })
    reply(res, err, { stdout = 'unread\n', exitcode = 5 })
end)

test('much on stdin, a program that stops reading and says nothing', function()
    local res, err = prog({ argv = { 'sleep', '30' }, stdin = harness.bytes(5000000), timeout = 100 })
    equal(res, nil)
    equal(err, 'timeout')
end)

test('many arguments', function()
    local argv = { 'printf', '%s' }
    for i = 1, 20000 do
        argv[i + 2] = ('%09d'):format(i)
    end
    local res, err = prog({ argv = argv })
    equal(err, nil)
    equal(#res.stdout, 180000)
end)

test('an empty argument and bytes of every value in one', function()
    local odd = harness.bytes(2000):gsub('%z', 'zero')
    local res, err = prog('printf', '%s|%s|', '', odd)
    reply(res, err, { stdout = '|' .. odd .. '|', exitcode = 0 })
end)

test('a callback that fails ends the call with its own error, and the program', function()
    if not rawget(_G, 'jit') and _VERSION == 'Lua 5.1' then
        return
    end
    local fault = {}
    local good, got = pcall(prog, {
        argv = { 'sh', '-c', 'echo now; sleep 30' },
        stdout = function() error(fault) end,
    })
    equal(good, false)
    equal(got, fault)
end)

if harness.ngx then
    test('a light thread sends while another receives', function()
        local client = exec_socket:new()
        client:connect(path)
        client:send_args({ 'cat' })
        local bytes, got = harness.bytes(5000000), {}
        local sender = harness.ngx.thread.spawn(function()
            local sent, err = client:send(bytes)
            client:send_close()
            return sent, err
        end)
        local size = 0
        while true do
            local data, typ, err = client:receive()
            if typ == 'stdout' then
                got[#got + 1] = data
                size = size + #data
            elseif typ == 'exitcode' then
                equal(data, '0')
            else
                equal(err, 'closed')
                break
            end
        end
        harness.ngx.thread.wait(sender)
        equal(size, #bytes)
        equal(table.concat(got), bytes)
        client:close()
    end)
else
    test('send takes in what the program answers meanwhile', function()
        local client = exec_socket:new()
        client:connect(path)
        client:send_args({ 'cat' })
        local bytes, got, size = harness.bytes(5000000), {}, 0
        assert(client:send(bytes))
        client:send_close()
        while size < #bytes do
            local data = assert(client:receive())
            got[#got + 1] = data
            size = size + #data
        end
        equal(table.concat(got), bytes)
        equal(client:receive(), '0')
        client:close()
    end)

    test('a callback may yield', function()
        local out = {}
        local run = coroutine.wrap(function()
            return 'end', prog({ argv = 'cat', stdin = harness.bytes(200000), stdout = coroutine.yield })
        end)
        local piece, res = run()
        while piece ~= 'end' do
            out[#out + 1] = piece
            piece, res = run()
        end
        equal(res.exitcode, 0)
        equal(table.concat(out), harness.bytes(200000))
    end)
end

harness.finish()
