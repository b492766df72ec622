--- Runs a program to its end: `resty.exec`.
--
-- `exec.new(path)` returns a `prog`. Calling it with a command returns a table with the program's
-- output and its exit code or signal. This file collects; `resty.exec.socket` holds the conversation.

local socket = require 'resty.exec.socket'
local netstring = require 'resty.exec.netstring'

local exec = { _VERSION = '4.0.0' }

local Prog = {}

-- Plain Lua 5.1 cannot yield across a pcall, and an output callback may have to yield.
local guards_callbacks = rawget(_G, 'jit') ~= nil or _VERSION ~= 'Lua 5.1'

local function is_callable(value)
    if type(value) == 'function' then
        return true
    end
    local meta = getmetatable(value)
    return type(meta) == 'table' and meta.__call ~= nil
end

-- The parts of a reply until it is complete. Outputs are lists of pieces, joined once.
local function new_reply(job)
    local sinks = {}
    for _, typ in ipairs { 'stdout', 'stderr' } do
        local sink = job[typ] or nil
        if sink ~= nil and not is_callable(sink) then
            return nil, typ .. ' must be a function'
        end
        sinks[typ] = sink
    end
    return { stdout = {}, stderr = {}, unknown = {}, ending = {}, sinks = sinks }
end

local function add(reply, typ, data)
    if reply.sinks[typ] then
        reply.sinks[typ](data)
    elseif typ == 'stdout' or typ == 'stderr' then
        reply[typ][#reply[typ] + 1] = data
    elseif typ == 'exitcode' or typ == 'termsig' then
        -- A number, unless the server sends a signal's name.
        reply.ending[typ] = tonumber(data:match('^%d+$')) or data
    else
        -- As received, so that a report of it loses nothing.
        local pair = netstring.encode(typ) .. netstring.encode(data)
        reply.unknown[#reply.unknown + 1] = pair
    end
end

local function joined(pieces)
    return #pieces > 0 and table.concat(pieces) or nil
end

local function result(reply)
    return {
        stdout = joined(reply.stdout),
        stderr = joined(reply.stderr),
        unknown = joined(reply.unknown),
        exitcode = reply.ending.exitcode,
        termsig = reply.ending.termsig,
    }
end

-- Receives until the server closes. After the last pair the reply is complete, even if the server
-- does not close; without that pair it is not.
local function collect(client, reply, timeout_fatal)
    while true do
        local moved = client:moved()
        local data, typ, err = client:receive()
        local ended = next(reply.ending) ~= nil
        if data then
            add(reply, typ, data)
        elseif ended and (err == 'closed' or err == 'timeout') then
            return true
        elseif err ~= 'timeout' then
            return nil, err
        elseif timeout_fatal and client:moved() == moved then
            return nil, err
        end
    end
end

-- An error in a callback ends the program, and is then raised in the caller.
local function collect_guarded(client, ...)
    if not guards_callbacks then
        return collect(client, ...)
    end
    local whole, done, err = pcall(collect, client, ...)
    if not whole then
        client:close()
        error(done, 0)
    end
    return done, err
end

local function run(job)
    local argv, stdin = job.argv or {}, job.stdin
    if type(argv) == 'string' then
        argv = { argv }
    end
    stdin = type(stdin) == 'number' and tostring(stdin) or stdin or ''
    if type(stdin) ~= 'string' then
        return nil, 'stdin must be a string'
    end
    local reply, err = new_reply(job)
    if not reply then
        return nil, err
    end
    local client = socket:new { timeout = job.timeout }
    local done
    done, err = client:connect(job.path)
    if not done then
        return nil, err
    end
    done, err = client:send_request(argv, stdin)
    if done then
        done, err = collect_guarded(client, reply, job.timeout_fatal)
    end
    client:close()
    if not done then
        return nil, err, result(reply)
    end
    return result(reply)
end

local FIELDS = { 'path', 'argv', 'stdin', 'stdout', 'stderr', 'timeout', 'timeout_fatal' }

-- `prog()`, `prog('name', 'argument')` or `prog { argv = … }`. The fields of a call apply to this
-- call only; all others are those of the object.
function Prog:__call(first, ...)
    local named = type(first) == 'table' and first or {}
    local job = {}
    for _, field in ipairs(FIELDS) do
        if named[field] ~= nil then
            job[field] = named[field]
        else
            job[field] = self[field]
        end
    end
    if first ~= nil and named ~= first then
        job.argv = { first, ... }
    end
    return run(job)
end

--- A program runner on the server's UNIX socket at `path`, or `nil` and the reason.
function exec.new(path)
    if not path then
        return nil, 'must supply an address'
    end
    return setmetatable({ path = path, timeout = 60000, timeout_fatal = true }, Prog)
end

return exec
