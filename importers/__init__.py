"""From somebody's file to a published layer version; leaves serving to others."""
