--- The transport inside nginx: a cosocket, so that waiting blocks one coroutine and not the worker.
--
-- A transport has `open`, `read`, `write`, `post`, `close`, `getfd`, `dirty` and `now`, and counts the
-- bytes in both directions in `moved`. It knows nothing of netstrings. `luasocket.lua` is the other one.

local ngx = ngx

local cosocket = {}
cosocket.__index = cosocket

local READ_MAX = 65536

-- Posted data may wait without limit: the reader's timeout decides.
local NEVER = 2147483647

local function now()
    ngx.update_time()
    return ngx.now()
end

local function attempt(path, left, timeout)
    local made, sock, err = pcall(ngx.socket.tcp)
    if not made then
        -- This phase of a request has no cosockets, and raises an error.
        return nil, sock
    elseif not sock then
        return nil, err
    end
    sock:settimeouts(left, timeout, timeout)
    local connected
    connected, err = sock:connect('unix:' .. path)
    if not connected then
        return nil, err
    end
    return sock
end

--- Connects to the UNIX socket at `path` within `timeout` milliseconds.
function cosocket.open(path, timeout)
    local deadline = now() + timeout / 1000
    local left, pause = timeout, 0.001
    while true do
        local sock, err = attempt(path, left, timeout)
        if sock then
            return setmetatable({ sock = sock, moved = 0, now = now }, cosocket)
        elseif not tostring(err):lower():find('temporarily unavailable', 1, true) then
            return nil, err
        end
        -- The server's listen queue is full. The system has no event for free room in it.
        left = (deadline - now() - pause) * 1000
        if left < 1 then
            return nil, 'timeout'
        end
        ngx.sleep(pause)
        pause = math.min(pause * 2, 0.05)
    end
end

--- The next bytes from the server, or `nil` and `closed`, `timeout` or another reason.
function cosocket:read(timeout)
    local sock = self.sock
    sock:settimeouts(timeout, timeout, timeout)
    local bytes, err, partial = sock:receiveany(READ_MAX)
    bytes = bytes or (partial ~= '' and partial) or nil
    if not bytes then
        -- A server that closes with part of the request unread resets the connection: it has closed, too.
        return nil, err == 'connection reset by peer' and 'closed' or err
    end
    self.moved = self.moved + #bytes
    return bytes
end

--- Sends `bytes` and returns their number, or `nil` and the reason.
function cosocket:write(bytes, timeout)
    local sock = self.sock
    sock:settimeouts(timeout, timeout, timeout)
    local sent, err = sock:send(bytes)
    if not sent then
        return nil, err
    end
    self.moved = self.moved + sent
    return sent
end

--- Sends in the background all that the function `source` returns, until it returns `nil`.
-- A failure is not reported: the server's reply is still to be read, and has the better reason.
function cosocket:post(source)
    local done
    local poster = ngx.thread.spawn(function()
        for bytes in source do
            if not self:write(bytes, NEVER) then
                break
            end
        end
        done, self.poster = true, nil
    end)
    -- A thread that never had to wait has finished already.
    self.poster = not done and poster or nil
end

function cosocket:close()
    if self.poster then
        -- A cosocket cannot be closed while a thread waits on it.
        ngx.thread.kill(self.poster)
        self.poster = nil
    end
    self.sock:close()
end

--- The descriptor, if this version of nginx's Lua module reveals it.
function cosocket:getfd()
    if not self.sock.getfd then
        return nil, 'this version of cosockets does not reveal the descriptor'
    end
    return self.sock:getfd()
end

--- No bytes are kept here: all bytes that were read have been returned.
function cosocket:dirty() -- luacheck: ignore self
    return false
end

return cosocket
