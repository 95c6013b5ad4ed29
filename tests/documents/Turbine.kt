package hydro.tarnvell.model

import kotlin.math.abs

/** One turbine, with the name that the shift calls it by. */
data class Turbine(val name: String, val ratedKw: Int) {
    // Below a third of its rating a Francis wheel cavitates: KT-3.
    fun mayRunAt(kw: Int): Boolean =
        kw >= ratedKw / 3 &&
            kw <= ratedKw

    companion object {
        fun parse(line: String): Turbine {
            val (name, kw) = line.split(";")
            return Turbine(name, kw.toInt())
        }
    }
}

sealed interface Trouble

class Vibration(val micrometres: Int) : Trouble {
    override fun toString() = "KT-8 vibration of $micrometres µm"
}

object Plant {
    val turbines = listOf(Turbine("Kestrel", 740), Turbine("Merlin", 690))

    suspend fun <T> eachTurbine(
        action: (Turbine) -> T,
    ): List<T> {
        return turbines.map(action)
    }
}

fun Turbine.difference(other: Turbine): Int = abs(ratedKw - other.ratedKw)

val merlin = Plant.turbines.last()
