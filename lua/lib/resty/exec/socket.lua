--- One running program, in both directions: `resty.exec.socket`.
--
-- A client connects, sends the program's arguments, then writes to its standard input and receives
-- its output until it has ended. No function raises an error: faults are returned as `nil` and a
-- reason. This file knows the protocol; the two transports move the bytes.

local netstring = require 'resty.exec.netstring'

local encode = netstring.encode

local Client = {}
Client.__index = Client

local TIMEOUT = 60000
local TIMEOUT_MAX = 2147483647

-- The capacity of a pipe. Larger data goes out in several netstrings, so that a stall is noticed
-- early and the nine digits of a length are never exceeded.
local CHUNK = 65536

-- A request up to this size fits into the socket's buffer: sending it cannot wait for the program.
local AT_ONCE = 32768

--- A client that is not connected. `options.timeout` is in milliseconds.
function Client:new(options)
    return setmetatable({ timeout = options and options.timeout or TIMEOUT }, self)
end

-- Read in each call, so that a client's `timeout` may be changed between calls.
local function timeout_of(self)
    local timeout = tonumber(self.timeout)
    if timeout and timeout > 0 then
        return math.min(timeout, TIMEOUT_MAX)
    end
    return TIMEOUT
end

-- Cosockets wherever nginx has them. While it starts it has none, and blocking does no harm.
local function transport()
    local ngx = rawget(_G, 'ngx')
    if ngx and ngx.socket then
        local phase = ngx.get_phase()
        if phase ~= 'init' and phase ~= 'init_worker' then
            return require 'resty.exec.cosocket'
        end
    end
    return require 'resty.exec.luasocket'
end

--- Connects to the server's UNIX socket, with or without `unix:` in front of its path.
-- A client that was connected before starts again.
function Client:connect(path)
    self:close()
    if type(path) ~= 'string' or path == '' then
        return nil, 'the path of a socket is needed'
    end
    local link, err = transport().open((path:gsub('^unix:', '')), timeout_of(self))
    if not link then
        return nil, err
    end
    self.link, self.decoder = link, netstring.decoder()
    self.state, self.typ, self.send_fault = 'connected', nil, nil
    return true
end

-- The number of arguments of a table, including those after a hole: `#` may stop at the hole, and a
-- program that silently gets fewer arguments does something else.
local function count_arguments(args)
    local count = #args
    for key in pairs(args) do
        if type(key) == 'number' and key > count and key % 1 == 0 then
            count = key
        end
    end
    return count
end

local function encode_arguments(args)
    if type(args) ~= 'table' then
        return nil, 'the arguments must be a table'
    end
    local count = count_arguments(args)
    if count == 0 then
        return nil, 'no program was given'
    end
    local out = { encode(('%d'):format(count)) }
    for i = 1, count do
        local kind = type(args[i])
        if kind ~= 'string' and kind ~= 'number' then
            return nil, 'argument ' .. i .. ' is a ' .. kind .. ', not a string'
        end
        out[i + 1] = encode(tostring(args[i]))
    end
    return table.concat(out)
end

-- After a failure part of a netstring may have been sent, so no other may follow it.
local function write(self, bytes)
    if self.send_fault then
        return nil, self.send_fault
    end
    local sent, err = self.link:write(bytes, timeout_of(self))
    if not sent then
        self.send_fault = err
    end
    return sent, err
end

-- May data for the program be sent now?
local function sendable(self)
    if not self.link or self.state == 'ended' then
        return nil, 'closed'
    elseif self.state == 'connected' then
        return nil, 'no program was started: send its arguments first'
    end
    return true
end

--- Sends the arguments, which starts the program.
function Client:send_args(args)
    local bytes, err = encode_arguments(args)
    if not bytes then
        return nil, err
    elseif not self.link then
        return nil, 'closed'
    elseif self.state ~= 'connected' then
        return nil, 'the program was started already'
    end
    self.state = 'started'
    return write(self, bytes)
end

--- Sends to the program's standard input; the empty string closes it.
function Client:send_data(data)
    if type(data) == 'number' then
        data = tostring(data)
    elseif type(data) ~= 'string' then
        return nil, 'the data must be a string'
    end
    if data == '' then
        return self:send_close()
    end
    local ready, err = sendable(self)
    if not ready then
        return nil, err
    end
    local total = 0
    for first = 1, #data, CHUNK do
        local sent
        sent, err = write(self, encode(data:sub(first, first + CHUNK - 1)))
        if not sent then
            return nil, err
        end
        total = total + sent
    end
    return total
end

Client.send = Client.send_data

--- Closes the program's standard input.
function Client:send_close()
    local ready, err = sendable(self)
    if not ready then
        return nil, err
    end
    self.state = 'ended'
    return write(self, encode(''))
end

-- A whole request as a series of pieces: the arguments, the chunks of `stdin`, the end.
local function pieces(arguments, stdin)
    local at = 0
    return function()
        local first = at
        if first == 0 then
            at = 1
            return arguments
        elseif first <= #stdin then
            at = first + CHUNK
            return encode(stdin:sub(first, at - 1))
        elseif first < math.huge then
            at = math.huge
            return encode('')
        end
    end
end

--- Sends a whole request at once: starts the program, writes all of `stdin`, closes it.
-- A large one goes out while the caller receives. For `resty.exec`, not part of the documented interface.
function Client:send_request(args, stdin)
    local arguments, err = encode_arguments(args)
    if not arguments then
        return nil, err
    elseif self.state ~= 'connected' then
        return nil, 'closed'
    end
    self.state = 'ended'
    if #arguments + #stdin <= AT_ONCE then
        -- Even if the server has closed already, its reply can be read.
        write(self, arguments .. (stdin ~= '' and encode(stdin) or '') .. encode(''))
    else
        self.link:post(pieces(arguments, stdin))
    end
    return true
end

-- The next complete pair. A pair's type waits in `self.typ` for its data.
local function take_pair(self)
    local err
    if not self.typ then
        self.typ, err = self.decoder:take()
        if not self.typ then
            return nil, nil, err
        end
    end
    local data
    data, err = self.decoder:take()
    if not data then
        return nil, nil, err
    end
    local typ = self.typ
    self.typ = nil
    return data, typ
end

--- The next data from the program, a string, and its type, or `nil`, `nil` and a reason: `closed`,
--- `timeout` or another. Bytes that arrived before a timeout are kept for the next call.
function Client:receive()
    local held = self.held
    if held then
        self.held = nil
        return held[1], held[2]
    elseif not self.link then
        return nil, nil, 'closed'
    end
    local link, left, deadline = self.link, timeout_of(self), nil
    while true do
        local data, typ, fault = take_pair(self)
        if data then
            return data, typ
        elseif fault then
            -- A caller that repeats until `closed` must get there.
            self:close()
            return nil, nil, 'malformed reply: ' .. fault
        end
        deadline = deadline or link.now() + left / 1000
        local bytes, err = link:read(left)
        if not bytes then
            return nil, nil, err
        end
        self.decoder:feed(bytes)
        left = (deadline - link.now()) * 1000
        if left < 1 then
            left = 1
        end
    end
end

--- The number of bytes moved in both directions, which distinguishes a timeout from slow progress.
function Client:moved()
    return self.link and self.link.moved or 0
end

--- Closes the connection; the server ends a program that still runs. A second call does nothing.
function Client:close()
    local link = self.link
    self.link, self.held, self.state = nil, nil, nil
    if link then
        link:close()
    end
    return true
end

--- The descriptor, for a select loop, or `nil` and the reason.
function Client:getfd()
    if not self.link then
        return nil, 'closed'
    end
    return self.link:getfd()
end

--- Can `receive` return data although the descriptor has nothing to read? LuaSocket's select() calls
--- this on its objects.
function Client:dirty()
    if not self.link then
        return false
    elseif not self.held then
        local data, typ, fault = take_pair(self)
        if fault then
            return true
        end
        self.held = data and { data, typ } or nil
    end
    return self.held ~= nil or self.link:dirty()
end

return Client
