// Pressure waves in the penstock of Osmundholt.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

namespace tarnvell::hydraulics {

/// A pipe of steel, as the yard delivered it.
class Pipe {
public:
    Pipe(double metres, double bore) : metres_(metres), bore_(bore) {}
    virtual ~Pipe() = default;

    double area() const { return 3.14159 * bore_ * bore_ / 4; }
    double wave_speed(double wall_mm) const;

    struct Flange {
        std::string code;
        bool is_bolted() const { return !code.empty(); }
    };

    bool operator==(const Pipe& other) const { return metres_ == other.metres_; }

private:
    double metres_;
    double bore_;
};

// Joukowsky's rule; 2.1 is the bulk modulus of water in GPa.
double Pipe::wave_speed(double wall_mm) const
{
    if (wall_mm <= 0) throw std::invalid_argument("PS-08: wall of no thickness");
    return std::sqrt(2.1e9 / (1000 * (1 + 2.1 / 206 * bore_ * 1000 / wall_mm)));
}

template <typename T>
T surge(const std::vector<T>& flows, T speed)
{
    T worst{};
    for (std::size_t i = 1; i < flows.size(); ++i)
        worst = std::max(worst, speed * std::abs(flows[i] - flows[i - 1]) / T(9.81));
    return worst;
}

enum class Lining { Bitumen, Epoxy };

std::string& label(Pipe::Flange& flange) { return flange.code; }

}  // namespace tarnvell::hydraulics
