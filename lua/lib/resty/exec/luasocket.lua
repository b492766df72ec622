--- The transport outside nginx: LuaSocket.
--
-- The same functions as `cosocket.lua`. There are no threads here, so each wait serves both
-- directions: a read sends posted data, and a write reads and keeps the data that has arrived. So a
-- program that answers while it is still being written to cannot deadlock with its client.
-- Each call on the socket itself has a timeout of 0; only `wait` waits.

local luasocket = {}
luasocket.__index = luasocket

local READ_MAX = 65536

-- Loaded late: inside nginx LuaSocket need not be installed.
-- `socket` comes first, because loading it ignores SIGPIPE; `socket.unix` alone does not.
local function load()
    local found, socket = pcall(require, 'socket')
    if not found then
        return nil, 'LuaSocket is needed outside nginx: ' .. tostring(socket)
    end
    local found_unix, unix = pcall(require, 'socket.unix')
    if not found_unix then
        return nil, 'LuaSocket has no UNIX sockets here: ' .. tostring(unix)
    end
    -- Some versions are a table of constructors, others are the constructor itself.
    if type(unix) == 'table' then
        unix = unix.stream or unix.tcp or unix
    end
    return socket, unix
end

--- Connects to the UNIX socket at `path` within `timeout` milliseconds.
function luasocket.open(path, timeout)
    local socket, unix = load()
    if not socket then
        return nil, unix
    end
    local deadline = socket.gettime() + timeout / 1000
    local pause = 0.001
    while true do
        local sock, err = unix()
        if not sock then
            return nil, err
        end
        -- With any other timeout LuaSocket reports success while the server's listen queue is full.
        sock:settimeout(0)
        local connected
        connected, err = sock:connect(path)
        if connected then
            return setmetatable({
                socket = socket,
                sock = sock,
                now = socket.gettime,
                moved = 0,
                kept = {}, -- data that arrived during a write
            }, luasocket)
        end
        sock:close()
        if err ~= 'timeout' or socket.gettime() + pause > deadline then
            return nil, err
        end
        -- The queue is full, and the system has no event for free room in it.
        socket.sleep(pause)
        pause = math.min(pause * 2, 0.05)
    end
end

-- Waits until the socket can be read from, or, with bytes to send, written to.
local function wait(self, seconds)
    local fd = self.sock:getfd()
    if fd >= (self.socket._SETSIZE or 1024) then
        -- select() cannot watch a descriptor this high: try again shortly.
        return self.socket.sleep(math.min(seconds, 0.01))
    end
    local this = { self.sock }
    self.socket.select(not self.ended and this or nil, self.sending and this or nil, seconds)
end

-- The bytes that have arrived already, or `nil` and `timeout`, `closed` or another reason.
local function take(self)
    if self.ended then
        return nil, self.ended
    end
    local bytes, err, partial = self.sock:receive(READ_MAX)
    bytes = bytes or (partial ~= '' and partial) or nil
    if err and err ~= 'timeout' then
        -- The socket is not read again, but bytes that came with its end are still returned.
        self.ended = err
    end
    if not bytes then
        return nil, err
    end
    self.moved = self.moved + #bytes
    return bytes
end

-- Sends as much as possible without waiting. `self.sending` is unsent from `self.from` on.
local function push(self)
    while self.sending do
        local last, err, partial = self.sock:send(self.sending, self.from)
        local reached = last or partial or self.from - 1
        self.moved = self.moved + reached - self.from + 1
        self.from = reached + 1
        if not last then
            if err == 'timeout' then
                return true
            end
            self.sending, self.source = nil, nil
            return nil, err
        end
        self.sending, self.from = self.source and self.source(), 1
    end
    self.source = nil
    return true
end

--- The next bytes from the server, or `nil` and `closed`, `timeout` or another reason.
function luasocket:read(timeout)
    if #self.kept > 0 then
        local bytes = table.concat(self.kept)
        self.kept = {}
        return bytes
    end
    local deadline = self.socket.gettime() + timeout / 1000
    while true do
        -- A failure to send is not reported: the server's reply is still to be read.
        push(self)
        local bytes, err = take(self)
        if bytes or err ~= 'timeout' then
            return bytes, err
        end
        local left = deadline - self.socket.gettime()
        if left <= 0 then
            return nil, 'timeout'
        end
        wait(self, left)
    end
end

--- Sends `bytes` and returns their number, or `nil` and the reason.
-- The timeout is for silence, not for the whole transfer.
function luasocket:write(bytes, timeout)
    self.sending, self.from = bytes, 1
    local deadline = self.socket.gettime() + timeout / 1000
    while true do
        local before = self.moved
        local pushed, err = push(self)
        if not pushed then
            return nil, err
        elseif not self.sending then
            return #bytes
        end
        self.kept[#self.kept + 1] = take(self)
        local now = self.socket.gettime()
        if self.moved ~= before then
            deadline = now + timeout / 1000
        elseif now >= deadline then
            self.sending = nil
            return nil, 'timeout'
        end
        wait(self, deadline - now)
    end
end

--- Sends, during the reads that follow, all that the function `source` returns until it is `nil`.
function luasocket:post(source)
    self.source, self.sending, self.from = source, source(), 1
end

function luasocket:close()
    self.sock:close()
end

function luasocket:getfd()
    return self.sock:getfd()
end

--- Are there bytes that a select() on the descriptor would not report?
function luasocket:dirty()
    return #self.kept > 0 or self.sock:dirty()
end

return luasocket
