--- Netstrings: encoding them, and decoding them from bytes that arrive in any pieces.
--
-- A netstring is `LENGTH:BYTES,`, its length in decimal without leading zeros and with at most
-- nine digits: `5:uname,`. This file does no input or output and knows nothing of sockets.

local concat = table.concat

local netstring = {}

-- Nine digits and the colon: after this many bytes without a colon there is a fault.
local HEADER_MAX = 10

--- The netstring of `bytes`.
function netstring.encode(bytes)
    return #bytes .. ':' .. bytes .. ','
end

local Decoder = {}
Decoder.__index = Decoder

--- A decoder: `feed` passes it received bytes, `take` returns a complete netstring.
function netstring.decoder()
    return setmetatable({
        parts = {},  -- received pieces that were not joined yet
        count = 0,   -- their number
        joined = '', -- the bytes to decode,
        at = 1,      -- from here on
        size = 0,    -- bytes that were received and not taken: the rest of `joined` and all parts
        wanted = 1,  -- below this size no netstring can be complete
    }, Decoder)
end

function Decoder:feed(bytes)
    if bytes ~= '' then
        self.count = self.count + 1
        self.parts[self.count] = bytes
        self.size = self.size + #bytes
    end
end

-- Pieces are joined only when `wanted` bytes are there, so a long netstring in a thousand pieces
-- is copied once, not a thousand times.
local function join(self)
    if self.count > 0 then
        self.joined = self.joined:sub(self.at) .. concat(self.parts, '', 1, self.count)
        self.at, self.parts, self.count = 1, {}, 0
    end
end

--- The next netstring's bytes; `nil` if it is not complete yet; `nil` and the reason if the bytes
--- are no netstring. After a fault the decoder cannot be used any more.
function Decoder:take()
    if self.size < self.wanted then
        return nil
    end
    join(self)
    local joined, at = self.joined, self.at
    local digits, colon = joined:match('^(%d+)()', at)
    if not digits then
        return nil, 'a netstring must begin with its length'
    elseif #digits >= HEADER_MAX then
        return nil, 'the length of a netstring has more than 9 digits'
    elseif #digits > 1 and digits:byte() == 48 then
        return nil, 'the length of a netstring begins with a zero'
    elseif colon > #joined then
        self.wanted = self.size + 1
        return nil
    elseif joined:byte(colon) ~= 58 then
        return nil, 'no colon after the length of a netstring'
    end
    local length = tonumber(digits)
    local comma = colon + length + 1
    if comma > #joined then
        self.wanted = #digits + length + 2
        return nil
    elseif joined:byte(comma) ~= 44 then
        return nil, 'no comma after a netstring'
    end
    self.at, self.wanted = comma + 1, 1
    self.size = self.size - (comma + 1 - at)
    return joined:sub(colon + 1, comma - 1)
end

return netstring
