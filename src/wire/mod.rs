//! One packet decoded: link layers, tunnels, IP, fragments, TCP or ICMP.
