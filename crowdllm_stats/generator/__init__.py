"""The generator of digital people: profiles, participation, reference, belief, blender, one file each."""
