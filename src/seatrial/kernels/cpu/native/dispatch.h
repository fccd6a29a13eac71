// Which levels were compiled in, and which of those this machine runs.

#pragma once

#include <string>
#include <vector>

#include "kernels.h"

namespace seatrial {

// Best first; `generic` is always the last.
const std::vector<const Kernels*>& runnable_levels();

// By name; empty for the best. Throws std::invalid_argument that names the possible ones.
const Kernels& level_named(const std::string& name);

}  // namespace seatrial
