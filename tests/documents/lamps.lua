-- Lamps of the navigation channel below Pellworth Weir.
local Lamp = {}
Lamp.__index = Lamp

-- Every lamp has a plate with its code, LN-1 to LN-12.
function Lamp.new(code)
  return setmetatable({ code = code, lit = false }, Lamp)
end

function Lamp:light(lux)
  if lux < 40 then
    self.lit = true
  end
  return self.lit
end

Lamp.describe = function(lamp)
  return lamp.code .. (lamp.lit and " lit" or " dark")
end

local function all_lit(lamps)
  for _, lamp in ipairs(lamps) do
    if not lamp.lit then return false, "LN-0 " .. lamp.code end
  end
  return true
end

return { Lamp = Lamp, all_lit = all_lit }
