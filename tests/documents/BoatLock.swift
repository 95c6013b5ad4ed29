import Foundation

/// The boat lock beside the weir, for craft up to 22 metres.
public final class BoatLock {
    enum Gate: String {
        case upper, lower
    }

    private var open: Gate? = .lower

    init(open: Gate?) {
        self.open = open
    }

    // Both gates are never open together: interlock BL-14.
    func pass(_ boat: Boat) throws -> Gate {
        guard boat.metres <= 22 else {
            throw LockError.tooLong(boat.metres)
        }
        return open ?? .upper
    }

    static func fee(for boat: Boat) -> Int {
        return Int(boat.metres * 1.5)
    }
}

struct Boat {
    let name: String
    let metres: Double
}

enum LockError: Error {
    case tooLong(Double)
}

extension Boat: CustomStringConvertible {
    var description: String { "\(name), \(metres) m" }
}
