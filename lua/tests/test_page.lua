--- The documented interface against the real server: each example of the page, in its order, as an
--- existing program may have copied it.

local harness = require 'harness'
local exec = require 'resty.exec'
local exec_socket = require 'resty.exec.socket'

local test, equal, reply = harness.test, harness.equal, harness.reply
local path = os.getenv('SOCKEXEC_SOCKET')

local function uname(options)
    local pipe = io.popen('uname ' .. options)
    local line = pipe:read('*a')
    pipe:close()
    return line
end

local prog = exec.new(path)

test('a name alone', function()
    local res, err = prog('uname')
    reply(res, err, { stdout = uname(''), exitcode = 0 })
end)

test('argv set beforehand', function()
    prog.argv = { 'uname', '-a' }
    local res, err = prog()
    reply(res, err, { stdout = uname('-a'), exitcode = 0 })
end)

test('nil behind the last argument is no argument', function()
    local res, err = prog('echo', 'one', nil, nil)
    reply(res, err, { stdout = 'one\n', exitcode = 0 })
end)

test('stdin set beforehand', function()
    prog.stdin = 'this is neat!'
    local res, err = prog('cat')
    reply(res, err, { stdout = 'this is neat!', exitcode = 0 })
end)

test('argv as a string, stdin and callbacks in the call', function()
    local out, errors = {}, {}
    local res, err = prog({
        argv = 'cat',
        stdin = 'fun!',
        stdout = function(data) out[#out + 1] = data end,
        stderr = function(data) errors[#errors + 1] = data end,
    })
    reply(res, err, { exitcode = 0 })
    equal(table.concat(out), 'fun!')
    equal(#errors, 0)
end)

test('a call changes nothing on the object', function()
    equal(prog.stdin, 'this is neat!')
    equal(prog.stdout, nil)
    local res, err = prog({ argv = 'cat' })
    reply(res, err, { stdout = 'this is neat!', exitcode = 0 })
    res, err = prog({ argv = { 'sh', '-c', 'cat; exit 9' }, stdin = '' })
    reply(res, err, { exitcode = 9 })
    res, err = prog()
    reply(res, err, { stdout = uname('-a'), exitcode = 0 })
    local fresh = exec.new(path)
    fresh({ argv = 'cat', stdin = 'of one call' })
    res, err = fresh()
    equal(res, nil)
    equal(err, 'no program was given')
    res, err = fresh('cat')
    reply(res, err, { exitcode = 0 })
end)

test('callbacks set beforehand', function()
    local both = exec.new(path)
    local out, errors = {}, {}
    both.stdout = function(data) out[#out + 1] = data end
    both.stderr = function(data) errors[#errors + 1] = data end
    local res, err = both('sh', '-c', 'echo to stdout; echo to stderr >&2; exit 3')
    reply(res, err, { exitcode = 3 })
    equal(table.concat(out), 'to stdout\n')
    equal(table.concat(errors), 'to stderr\n')
end)

test('timeout_fatal = false in the call', function()
    local res, err = exec.new(path)({ argv = { 'cat' }, timeout_fatal = false })
    reply(res, err, { exitcode = 0 })
end)

test('timeout_fatal = false on the object: silence is waited through', function()
    local patient = exec.new(path)
    patient.timeout_fatal = false
    patient.timeout = 20
    local res, err = patient('sh', '-c', 'sleep 0.2; echo late')
    reply(res, err, { stdout = 'late\n', exitcode = 0 })
end)

test('a timeout is an error by default', function()
    local hasty = exec.new(path)
    hasty.timeout = 50
    local res, err = hasty('sleep', '30')
    equal(res, nil)
    equal(err, 'timeout')
end)

test('a shell on purpose', function()
    local shell = exec.new(path)
    local res, err = shell('bash', '-c', 'echo $PATH')
    equal(err, nil)
    harness.contains(res.stdout, '/')
    shell.stdin = 'name=script\necho "a $name"\nexit 4\n'
    res, err = shell('bash')
    reply(res, err, { stdout = 'a script\n', exitcode = 4 })
end)

test('a program made a daemon by start-stop-daemon', function()
    local res, err = exec.new(path)('start-stop-daemon', '--pidfile', '/dev/null', '--background',
        '--exec', '/usr/bin/sleep', '--start', '--', '10')
    equal(err, nil)
    equal(res.exitcode, 0)
end)

test('a program ended by a signal', function()
    local res, err = exec.new(path)('sh', '-c', 'kill -TERM $$')
    reply(res, err, { termsig = 15 })
end)

test('a program that does not exist', function()
    local res, err = exec.new(path)('no-such-program-anywhere')
    equal(err, nil)
    equal(res.exitcode, 127)
    harness.contains(res.stderr, 'no-such-program-anywhere')
end)

test('the conversation with cat', function()
    local client = exec_socket:new({ timeout = 60000 })
    local ok, err = client:connect(path)
    equal(err, nil)
    equal(ok, true)
    client:send_args({ 'cat' })
    client:send('hello there')
    local data, typ
    data, typ, err = client:receive()
    equal(err, nil)
    equal(string.format('Received %s data: %s', typ, data), 'Received stdout data: hello there')
    client:send('hey this cat process is still running')
    data, typ = client:receive()
    equal(string.format('Received %s data: %s', typ, data),
        'Received stdout data: hey this cat process is still running')
    client:send_close()
    data, typ = client:receive()
    equal(string.format('Received %s data: %s', typ, data), 'Received exitcode data: 0')
    equal(data, '0', 'an exit code as it came')
    data, typ, err = client:receive()
    equal(data, nil)
    equal(typ, nil)
    equal(err, 'closed')
    client:close()
end)

test('receive gives an exit code and a signal as strings', function()
    for script, wanted in pairs { ['exit 3'] = 'exitcode 3', ['kill -TERM $$'] = 'termsig 15' } do
        local client = exec_socket:new()
        client:connect(path)
        client:send_args({ 'sh', '-c', script })
        client:send_close()
        local data, typ, err = client:receive()
        equal(err, nil)
        equal(type(data), 'string')
        equal(typ .. ' ' .. data, wanted)
        client:close()
    end
end)

test('a program runner without an address', function()
    for _, address in ipairs { { nil }, { false } } do
        local none, err = exec.new(address[1])
        equal(none, nil)
        equal(err, 'must supply an address')
    end
end)

test('an output that is no function is refused, before anything runs', function()
    for _, typ in ipairs { 'stdout', 'stderr' } do
        for _, output in ipairs { 'a string', true, 1, {} } do
            local quiet = exec.new('/no/such/socket')
            local res, err = quiet({ argv = 'uname', [typ] = output })
            equal(res, nil)
            equal(err, typ .. ' must be a function')
            quiet[typ] = output
            res, err = quiet('uname')
            equal(res, nil)
            equal(err, typ .. ' must be a function')
        end
    end
end)

test('an output may be anything that can be called, and false is none', function()
    local out = {}
    local other = exec.new(path)
    other.stdout = setmetatable({}, { __call = function(_, data) out[#out + 1] = data end })
    reply(other('echo', 'called'), nil, { exitcode = 0 })
    equal(table.concat(out), 'called\n')
    reply(other({ argv = { 'echo', 'kept' }, stdout = false }), nil, { stdout = 'kept\n', exitcode = 0 })
    equal(#out, 1)
end)

test('each method returns what the page says', function()
    local client = exec_socket:new()
    equal(client:connect('unix:' .. path), true, 'connect with unix: in front')
    equal(client:send_args({ 'cat', '-' }), 3 + 1 + 6 + 4, 'bytes of the arguments')
    equal(client:send_data('abc'), 6, 'bytes of the data')
    equal(client:send_data(''), 3, 'an empty string closes stdin')
    equal(client:receive(), 'abc')
    equal(client:receive(), '0')
    equal(select(3, client:receive()), 'closed')
    client:close()
    client:close()
end)

test('a client can be connected again', function()
    local client = exec_socket:new()
    for i = 1, 3 do
        equal(client:connect(path), true)
        client:send_args({ 'echo', i })
        equal(client:receive(), i .. '\n')
    end
    client:close()
end)

harness.finish()
