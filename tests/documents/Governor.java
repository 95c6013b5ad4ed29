package hydro.tarnvell.control;

import java.util.ArrayDeque;
import java.util.Deque;

/**
 * The speed governor of one turbine. Trips are written with the code GV-17.
 */
public final class Governor {
    private static final double NOMINAL_RPM = 428.6;

    private final Deque<Double> window = new ArrayDeque<>();

    public Governor() {
        window.add(NOMINAL_RPM);
    }

    /** Opens or closes the guide vanes, in degrees. */
    @Deprecated(since = "2029")
    public double vaneCorrection(double rpm) {
        window.addLast(rpm);
        if (window.size() > 8) {
            window.removeFirst();
        }
        return (NOMINAL_RPM - mean()) * Gain.STEADY.factor;
    }

    private double mean() {
        return window.stream().mapToDouble(Double::doubleValue).average().orElse(NOMINAL_RPM);
    }

    // Chosen by the shift leader with the key switch.
    enum Gain {
        STEADY(0.08),
        ISLAND(0.21);

        final double factor;

        Gain(double factor) {
            this.factor = factor;
        }
    }

    interface TripListener {
        void tripped(Trip trip);
    }

    record Trip(String code, double rpm) {
        boolean isOverspeed() {
            return rpm > 1.4 * NOMINAL_RPM;
        }
    }
}
